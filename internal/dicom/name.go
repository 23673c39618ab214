package dicom

import "strings"

// PersonName is a person's name (PS3.5 6.2.1): up to three ways to write it.
type PersonName struct {
	Alphabetic, Ideographic, Phonetic NameGroup
}

// NameGroup is the components of a name, written one way.
type NameGroup struct {
	Family, Given, Middle, Prefix, Suffix string
}

// ParsePersonName splits a PN value, "Family^Given^Middle^Prefix^Suffix=ideographic=phonetic".
func ParsePersonName(s string) PersonName {
	var n PersonName
	for i, g := range strings.SplitN(s, "=", 3) {
		parts := strings.Split(g, "^")
		var group NameGroup
		for k, to := range []*string{&group.Family, &group.Given, &group.Middle, &group.Prefix, &group.Suffix} {
			if k < len(parts) {
				*to = trim(parts[k])
			}
		}
		*[]*NameGroup{&n.Alphabetic, &n.Ideographic, &n.Phonetic}[i] = group
	}
	return n
}

// PersonName is the first name of a PN element.
func (d *Dataset) PersonName(t Tag) PersonName {
	if s := d.Strings(t); len(s) > 0 {
		return ParsePersonName(s[0])
	}
	return PersonName{}
}

// String is the name for people to read, "Family, Given Middle", alphabetic where there is such a group, else
// ideographic, else phonetic.
func (n PersonName) String() string {
	for _, g := range []NameGroup{n.Alphabetic, n.Ideographic, n.Phonetic} {
		if s := g.String(); s != "" {
			return s
		}
	}
	return ""
}

// String is the group for people to read: "Family, Prefix Given Middle, Suffix".
func (g NameGroup) String() string {
	given := strings.Join(strings.Fields(strings.Join([]string{g.Prefix, g.Given, g.Middle}, " ")), " ")
	var parts []string
	for _, s := range []string{g.Family, given, g.Suffix} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

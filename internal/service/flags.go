package service

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// EnvPrefix leads the environment variable of every flag.
const EnvPrefix = "TOMOCAST_"

// ErrHelp says that help was asked for and printed: the program ends with success.
var ErrHelp = flag.ErrHelp

// ErrUsage wraps everything that is wrong with the command line or the environment.
var ErrUsage = errors.New("wrong usage")

// Flags is the command line of a program or of one of its commands. Every flag --some-name is also the
// environment variable TOMOCAST_SOME_NAME; the command line wins. Unknown flags and arguments are refused.
//
// The first word in backquotes in a flag's usage names its value in the help, as in package flag.
type Flags struct {
	command, summary string
	set              *flag.FlagSet
	groups           []flagGroup
	commands         [][2]string
	examples         [][2]string
	arguments        *argument
	secrets          []secret
	args             []string // after Parse
}

type flagGroup struct {
	title string
	names []string
}

type argument struct {
	name, usage string
	min, max    int
}

// secret is a value that is read from a file or from the environment, never from the command line, where
// other users of the machine would see it.
type secret struct {
	name string
	file *string
	to   *string
}

// NewFlags returns the empty command line of command, for example "edge-renderer render"; summary says in a
// sentence or two what it does.
func NewFlags(command, summary string) *Flags {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard) // errors are returned, help is printed by Parse
	set.Usage = func() {}
	return &Flags{command: command, summary: summary, set: set}
}

// Group starts a group of flags under a title in the help.
func (f *Flags) Group(title string) { f.groups = append(f.groups, flagGroup{title: title}) }

// Command mentions a command of the program in the help. The program itself chooses by its first argument.
func (f *Flags) Command(name, usage string) { f.commands = append(f.commands, [2]string{name, usage}) }

// Example shows in the help how the command is used: what is typed, and what that does.
func (f *Flags) Example(typed, what string) { f.examples = append(f.examples, [2]string{typed, what}) }

// Arguments allows min to max arguments after the flags; without it none are taken.
func (f *Flags) Arguments(name, usage string, min, max int) {
	f.arguments = &argument{name: name, usage: usage, min: min, max: max}
}

// Args are the arguments after the flags.
func (f *Flags) Args() []string { return f.args }

func (f *Flags) add(name string) {
	if len(f.groups) == 0 {
		f.Group("Options")
	}
	g := &f.groups[len(f.groups)-1]
	g.names = append(g.names, name)
}

// String defines a flag.
func (f *Flags) String(name, value, usage string) *string {
	f.add(name)
	return f.set.String(name, value, usage)
}

// Bool defines a flag that is set by its name alone, or by --name=false.
func (f *Flags) Bool(name string, value bool, usage string) *bool {
	f.add(name)
	return f.set.Bool(name, value, usage)
}

// Int defines a flag.
func (f *Flags) Int(name string, value int, usage string) *int {
	f.add(name)
	return f.set.Int(name, value, usage)
}

// Int64 defines a flag.
func (f *Flags) Int64(name string, value int64, usage string) *int64 {
	f.add(name)
	return f.set.Int64(name, value, usage)
}

// Float64 defines a flag.
func (f *Flags) Float64(name string, value float64, usage string) *float64 {
	f.add(name)
	return f.set.Float64(name, value, usage)
}

// Duration defines a flag; its values are written like 90s or 5m.
func (f *Flags) Duration(name string, value time.Duration, usage string) *time.Duration {
	f.add(name)
	return f.set.Duration(name, value, usage)
}

// Strings defines a flag that may be given several times, or once with commas between the values.
func (f *Flags) Strings(name, usage string) *[]string {
	f.add(name)
	var v stringList
	f.set.Var(&v, name, usage)
	return (*[]string)(&v)
}

// Var defines a flag with a value of its own form.
func (f *Flags) Var(value flag.Value, name, usage string) {
	f.add(name)
	f.set.Var(value, name, usage)
}

// Secret defines --NAME-file, whose file holds the secret, and the environment variable TOMOCAST_NAME, which
// holds it itself. Space around it is cut off.
func (f *Flags) Secret(name, usage string) *string {
	to := new(string)
	usage += "; or the value itself in " + EnvName(name)
	f.secrets = append(f.secrets, secret{name: name, file: f.String(name+"-file", "", usage), to: to})
	return to
}

// EnvName is the environment variable of a flag.
func EnvName(name string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Parse reads the environment and then args, which do not include the program's name. For --help it prints
// the help to stdout and returns [ErrHelp]; what is wrong with them is an [ErrUsage].
func (f *Flags) Parse(args []string) error { return f.parse(args, os.LookupEnv, os.Stdout) }

func (f *Flags) parse(args []string, env func(string) (string, bool), out io.Writer) error {
	var bad error
	f.set.VisitAll(func(fl *flag.Flag) {
		name := EnvName(fl.Name)
		if v, ok := env(name); ok && v != "" && bad == nil {
			if err := fl.Value.Set(v); err != nil {
				bad = fmt.Errorf("%w: environment variable %s is %.60q: %s", ErrUsage, name, v, plain(err))
			}
		}
	})
	// A repeatable flag on the command line takes the place of the environment's values.
	f.set.VisitAll(func(fl *flag.Flag) {
		if l, ok := fl.Value.(*stringList); ok && given(args, fl.Name) {
			*l = nil
		}
	})
	f.args = nil
	for rest := args; ; {
		if err := f.set.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				f.help(out)
				return ErrHelp
			}
			return fmt.Errorf("%w: %w; %s --help lists what there is", ErrUsage, err, f.command)
		}
		// Flags may stand behind arguments, too, unless a -- ends them.
		n := len(rest) - f.set.NArg()
		if f.set.NArg() == 0 || (n > 0 && rest[n-1] == "--") {
			f.args = append(f.args, f.set.Args()...)
			break
		}
		f.args = append(f.args, f.set.Arg(0))
		rest = f.set.Args()[1:]
	}
	if bad != nil {
		return bad
	}
	if err := f.checkArguments(); err != nil {
		return err
	}
	for _, s := range f.secrets {
		if err := s.read(env); err != nil {
			return err
		}
	}
	return nil
}

func (f *Flags) checkArguments() error {
	n := len(f.args)
	a := f.arguments
	switch {
	case a == nil && n > 0:
		return fmt.Errorf("%w: unexpected argument %.60q; %s --help lists what there is", ErrUsage, f.args[0], f.command)
	case a != nil && n < a.min:
		return fmt.Errorf("%w: %s is missing (%s)", ErrUsage, a.name, a.usage)
	case a != nil && n > a.max:
		return fmt.Errorf("%w: unexpected argument %.60q; %s --help lists what there is", ErrUsage, f.args[a.max], f.command)
	}
	return nil
}

func (s secret) read(env func(string) (string, bool)) error {
	if *s.file == "" {
		v, _ := env(EnvName(s.name))
		*s.to = strings.TrimSpace(v)
		return nil
	}
	b, err := os.ReadFile(*s.file)
	if err != nil {
		return fmt.Errorf("%w: --%s-file: %w", ErrUsage, s.name, err)
	}
	*s.to = strings.TrimSpace(string(b))
	if *s.to == "" {
		return fmt.Errorf("%w: --%s-file: %s is empty", ErrUsage, s.name, *s.file)
	}
	return nil
}

// help prints what the flags do, one group after the other.
func (f *Flags) help(w io.Writer) {
	tail := " [flags]"
	if f.arguments != nil {
		tail += " " + f.arguments.name
	}
	if len(f.commands) > 0 && len(f.groups) == 0 {
		tail = " command [flags]"
	}
	fmt.Fprintf(w, "%s\n\nUsage: %s%s\n", wrap(f.summary, 0), f.command, tail)
	if f.arguments != nil {
		fmt.Fprintf(w, "\n  %-28s%s\n", f.arguments.name, wrap(f.arguments.usage, helpIndent))
	}
	if len(f.commands) > 0 {
		fmt.Fprintln(w, "\nCommands:")
		for _, c := range f.commands {
			fmt.Fprintf(w, "  %-28s%s\n", c[0], wrap(c[1], helpIndent))
		}
	}
	for _, g := range f.groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, name := range g.names {
			helpFlag(w, f.set.Lookup(name))
		}
	}
	if len(f.examples) > 0 {
		fmt.Fprintln(w, "\nExamples:")
		for _, e := range f.examples {
			fmt.Fprintf(w, "  %s\n      %s\n", e[0], wrap(e[1], 6))
		}
	}
	fmt.Fprintf(w, "\n%s\n", wrap("Every flag is also an environment variable: --some-name is "+EnvPrefix+"SOME_NAME. The command line wins.", 0))
}

const (
	helpIndent = 30
	helpWidth  = 100
)

func helpFlag(w io.Writer, fl *flag.Flag) {
	value, usage := flag.UnquoteUsage(fl)
	if _, ok := fl.Value.(*stringList); ok && value == "value" {
		value = "text"
	}
	left := "--" + fl.Name
	if value != "" {
		left += " " + value
	}
	if d := fl.DefValue; d != "" && d != "false" && d != "0" && d != "0s" {
		usage += " (default " + d + ")"
	}
	if len(left) > helpIndent-4 {
		fmt.Fprintf(w, "  %s\n%s%s\n", left, strings.Repeat(" ", helpIndent), wrap(usage, helpIndent))
		return
	}
	fmt.Fprintf(w, "  %-28s%s\n", left, wrap(usage, helpIndent))
}

// wrap breaks text into lines of helpWidth, the second and later ones indented.
func wrap(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.FieldsFunc(text, unicode.IsSpace) {
		if i > 0 && column+1+len(word) > helpWidth {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// given says whether args set the flag name.
func given(args []string, name string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		a, isFlag := strings.CutPrefix(a, "-")
		a, _, _ = strings.Cut(strings.TrimPrefix(a, "-"), "=")
		if isFlag && a == name {
			return true
		}
	}
	return false
}

// plain says what is wrong with a value without the wrapping of package strconv.
func plain(err error) string {
	var n *strconv.NumError
	if errors.As(err, &n) {
		return n.Err.Error()
	}
	return err.Error()
}

type stringList []string

func (l *stringList) String() string {
	if l == nil {
		return ""
	}
	return strings.Join(*l, ",")
}

func (l *stringList) Set(s string) error {
	for _, v := range strings.Split(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*l = append(*l, v)
		}
	}
	return nil
}

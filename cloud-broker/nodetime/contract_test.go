package nodetime

import (
	"strings"
	"testing"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

func span(from, to time.Time) signaling.TimeSpan { return signaling.TimeSpan{From: from, To: to} }

func TestB3SchedulesOfTheContract(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 12, 4, 0, 0, 0, 0, berlin)
	gone := friday.AddDate(0, 1, 0)
	p, err := FromContract(signaling.Schedule{
		TimeZone: "Europe/Berlin", HorizonS: 7 * 24 * 3600, PeriodS: 24 * 3600, Expires: &gone,
		Hours:  []signaling.OpenHours{{Days: []string{"Mon", "fri"}, From: "07:30", To: "19:00"}, {Days: []string{"sat"}, From: "20:00", To: "24:00"}},
		Open:   []signaling.TimeSpan{span(friday.Add(20*time.Hour), friday.Add(21*time.Hour))},
		Closed: []signaling.TimeSpan{span(friday.Add(12*time.Hour), friday.Add(13*time.Hour))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.Time != 7*24*time.Hour || p.Period != 24*time.Hour {
		t.Errorf("T %v, period %v", p.Time, p.Period)
	}
	w, err := p.Windows(friday, friday.AddDate(0, 0, 7))
	if err != nil {
		t.Fatal(err)
	}
	for after, open := range map[time.Duration]bool{
		7 * time.Hour: false, 7*time.Hour + 30*time.Minute: true, 12 * time.Hour: false, 13 * time.Hour: true, 19 * time.Hour: false,
		20 * time.Hour: true, 21 * time.Hour: false, 44 * time.Hour: true, 48 * time.Hour: false, 3*24*time.Hour + 8*time.Hour: true,
	} {
		if _, is := w.At(friday.Add(after)); is != open {
			t.Errorf("%v after midnight it is open: %v", after, is)
		}
	}
	if _, open := w.At(gone); open {
		t.Error("it is open when the machine is gone")
	}
}

// A node whose hours leave no time out never closes by them, however far they are laid out.
func TestHoursOfAWholeWeekNeverClose(t *testing.T) {
	p, err := FromContract(signaling.Schedule{Hours: []signaling.OpenHours{
		{Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, From: "00:00", To: "12:00"},
		{Days: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, From: "12:00", To: "24:00"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 12, 4, 0, 0, 0, 0, time.UTC)
	if w, err := p.Windows(now, now.AddDate(0, 0, 7)); err != nil || w.Left(now.AddDate(1, 0, 0)) != Forever {
		t.Errorf("%v, %v", w, err)
	}
}

func TestSchedulesThatCannotBeAreRefusedByName(t *testing.T) {
	at := time.Date(2026, 12, 4, 0, 0, 0, 0, time.UTC)
	hours := func(days, from, to string) signaling.Schedule {
		return signaling.Schedule{Hours: []signaling.OpenHours{{Days: strings.Fields(days), From: from, To: to}}}
	}
	for want, s := range map[string]signaling.Schedule{
		"hours[0]: days is empty":                                  hours("", "07:00", "08:00"),
		`hours[0]: day "monday"`:                                   hours("monday", "07:00", "08:00"),
		"hours[0]: day mon appears twice":                          hours("mon mon", "07:00", "08:00"),
		`hours[0]: from "7:00": a time of day`:                     hours("mon", "7:00", "08:00"),
		`hours[0]: to "08:60"`:                                     hours("mon", "07:00", "08:60"),
		`hours[0]: to "24:01"`:                                     hours("mon", "07:00", "24:01"),
		`hours[0]: to "-1:00"`:                                     hours("mon", "07:00", "-1:00"),
		`hours[0]: to ""`:                                          hours("mon", "07:00", ""),
		"they end before they begin":                               hours("mon", "22:00", "06:00"),
		"hours[0]: from 08:00 to 08:00":                            hours("mon", "08:00", "08:00"),
		"hours[1] overlap hours[0] on Tuesday":                     {Hours: []signaling.OpenHours{{Days: []string{"mon", "tue"}, From: "07:00", To: "09:00"}, {Days: []string{"tue"}, From: "08:00", To: "10:00"}}},
		"open[0] from 2026-12-04T00:00:00Z to 2026-12-03T00:00:00": {Open: []signaling.TimeSpan{span(at, at.AddDate(0, 0, -1))}},
		"open[0] from 2026-12-04T00:00:00Z to 2026-12-04T00:00:00": {Open: []signaling.TimeSpan{span(at, at)}},
		"open[0]: from and to are needed":                          {Open: []signaling.TimeSpan{{To: at}}},
		"closed[2]":                                                {Closed: []signaling.TimeSpan{span(at, at.Add(2)), span(at.Add(4), at.Add(6)), span(at.Add(1), at.Add(3))}},
		`timeZone "Local" is unknown`:                              {TimeZone: "Local"},
		`timeZone "Nowhere/At all" is unknown`:                     {TimeZone: "Nowhere/At all"},
		`timeZone "../../etc/passwd" is unknown`:                   {TimeZone: "../../etc/passwd"},
		"expires is the year 1":                                    {Expires: new(time.Time)},
		"horizonS is -1":                                           {HorizonS: -1},
		"horizonS is 9223372036854775807":                          {HorizonS: 1<<63 - 1},
		"periodS is 60 without horizonS":                           {PeriodS: 60},
		"periodS is 61 and horizonS 60":                            {PeriodS: 61, HorizonS: 60},
		"hours has 51 entries":                                     {Hours: make([]signaling.OpenHours, 51)},
		"open has 1001 entries":                                    {Open: make([]signaling.TimeSpan, 1001)},
		"closed has 1001 entries":                                  {Closed: make([]signaling.TimeSpan, 1001)},
	} {
		if _, err := FromContract(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// Spans that touch do not overlap.
	if _, err := FromContract(signaling.Schedule{Open: []signaling.TimeSpan{span(at, at.Add(2)), span(at.Add(2), at.Add(3))}}); err != nil {
		t.Error(err)
	}
}

func FuzzFromContract(f *testing.F) {
	f.Add("mon", "07:00", "19:00", "Europe/Berlin", int64(0), int64(60), int64(3600), int64(60))
	f.Add("sun", "00:00", "24:00", "", int64(60), int64(0), int64(0), int64(-1))
	f.Fuzz(func(t *testing.T, day, from, to, zone string, begin, end, horizon, period int64) {
		s := signaling.Schedule{TimeZone: zone, HorizonS: horizon, PeriodS: period, Hours: []signaling.OpenHours{{Days: []string{day}, From: from, To: to}},
			Closed: []signaling.TimeSpan{{From: time.Unix(begin%1e10, 0), To: time.Unix(end%1e10, 0)}}}
		p, err := FromContract(s)
		if err != nil {
			return
		}
		now := time.Unix(begin%1e10, 0)
		w, err := p.Windows(now, now.AddDate(0, 0, 14))
		if err != nil {
			t.Fatalf("%v of what was not refused: %+v", err, s)
		}
		n, err := New(Config{Windows: w, Time: p.Time, Period: p.Period}, now)
		if err != nil {
			t.Fatalf("%v of what was not refused: %+v", err, s)
		}
		if T, left := n.Time(now), n.Available(CPU, now); left < 0 || left > T {
			t.Errorf("t is %v, T %v", left, T)
		}
	})
}

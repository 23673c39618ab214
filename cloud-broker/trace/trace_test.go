package trace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tomocast/tomocast/cloud-broker/trace"
	"github.com/tomocast/tomocast/internal/source/sourcetest"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadsEveryFormat(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"openb": {"pods.csv", "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n" +
			"b,6000,12288,1,460,V100M16|T4,LS,Running,2690044,12902960,2690050.0\na,1000,1,0,0,,BE,Succeeded,10,25,\n", "a 10 10 15 false; b 2690044 2690050 1.021e+07 true; "},
		"genai": {"r.csv", "gmt_create,predict_type,predict_status,exec_time_seconds,groupId,prompt_length,negative_prompt_length,num_images_per_prompt,num_inference_steps,checkpoint_model_version_id,num_lora\n" +
			"1970-01-01 00:01:00,TXT_2_IMG,SUCCEED,32.0,G0,63.0,,1.0,30.0,M0,0\n", "1 60 60 32 false; "},
		"philly":  {"p.csv", "timestamp,duration,num_gpus,gpu_time,cluster\n1970-01-01 00:00:05,7.5,8,60,c\n1970-01-01 00:00:06,0,1,0,c\n", "1 5 5 7.5 false; "},
		"swf":     {"x.swf", "; comment\n 7 100 5 60 4 -1 -1 4 120 -1 1 3 1 9 2 -1 -1 -1\n8 101 -1 -1 4 -1 -1 4 1 -1 1 3 1 9 2 -1 -1 -1\n", "7 100 105 60 false; "},
		"history": {"h.jsonl", `{"task":"t-1","type":"training","requested":{"gpuMilli":1500},"createdAt":"1970-01-01T00:00:10Z","startedAt":"1970-01-01T00:00:12Z","endedAt":"1970-01-01T00:00:20Z"}` + "\n", "t-1 10 12 8 false; "},
	} {
		t.Run(name, func(t *testing.T) {
			tasks, _, err := trace.ReadTasks(write(t, c.file, c.text))
			if err != nil {
				t.Fatal(err)
			}
			got := &strings.Builder{}
			for _, x := range tasks {
				fprint(got, x)
			}
			if got.String() != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRefusesWhatIsNoTrace(t *testing.T) {
	swf := strings.Repeat("1 ", 18)
	for name, c := range map[string]struct{ file, text, want string }{
		"no known columns":  {"a.csv", "sn,cpu_milli,memory_mib,gpu,model\n", "its columns are of no known trace"},
		"nearest is Philly": {"a.csv", "timestamp,num_gpus,cluster\n", "it looks like Philly, but column duration is missing"},
		"half of genai":     {"a.csv", "gmt_create,exec_time_seconds\n", "it looks like GenAI, but columns predict_type, groupId"},
		"no times":          {"a.csv", "cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time\n1,1,1,1000,0\n", "columns deletion_time, scheduled_time are missing"},
		"empty":             {"a.csv", "", "it is empty"},
		"heading alone":     {"a.csv", "timestamp,duration,num_gpus\n", "it has no task"},
		"empty history":     {"a.jsonl", "\n", "it has no task"},
		"most rows":         {"a.csv", "timestamp,duration,num_gpus\n2020-01-01 00:00:00,4,1\nsoon,4,1\n1,NaN,1\n", "more than half of its rows cannot be used: 1 with an impossible duration, 1 with an impossible timestamp"},
		"short line":        {"a.swf", "1 2 3\n", "1 with fewer than 18 fields"},
		"swf not a number":  {"a.swf", strings.Replace(swf, "1", "x", 1), "1 with an impossible field 1"},
		"no JSON":           {"a.jsonl", "{\n", "1 that are no entries of a history"},
		"not packed":        {"a.swf.gz", "1", "not packed with gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := trace.ReadTasks(write(t, c.file, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, _, err := trace.ReadTasks(filepath.Join(t.TempDir(), "none.csv")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// Rows that cannot be are left out and counted by name; the others are read.
func TestLeavesOutRowsThatCannotBe(t *testing.T) {
	good := strings.Repeat("2020-01-01 00:00:00,4,1\n", 12)
	entry := strings.Repeat(`{"task":"t","requested":{"gpuMilli":1000},"createdAt":"2026-01-01T00:00:10Z","startedAt":"2026-01-01T00:00:12Z","endedAt":"2026-01-01T00:00:20Z","usage":{"runMs":8000}}`+"\n", 3)
	for name, c := range map[string]struct{ file, text, want string }{
		"table": {"a.csv", "timestamp,duration,num_gpus\n" + good + "2020-01-01 00:00:00,abc,1\n2020-01-01 00:00:00,NaN,1\n2020-01-01 00:00:00,1e300,1\n2020-01-01 00:00:00,-1,1\n" +
			"2020-01-01 00:00:00,4e8,1\n2020-01-01 00:00:00,4,0.5\n2020-01-01 00:00:00,4,-1\n9999-01-01 00:00:00,4,1\nsoon,4,1\n1,2\n2020-01-01 00:00:00,0,1\n",
			"5 with an impossible duration, 1 with an impossible amount, 1 with an impossible date, 1 with an impossible num_gpus, 1 with an impossible timestamp, " +
				"1 with another number of columns than the heading, 1 without a duration"},
		"history": {"a.jsonl", entry + strings.Replace(entry[:strings.Index(entry, "\n")], "8000", "9e18", 1) + "\nnone\n", "1 that are no entries of a history, 1 with an impossible usage"},
		"openb": {"a.csv", "cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time,scheduled_time\n1,1,1,1000,5,9,5\n1,1,1,1000,5,9,6\n1,1,1,1000,5,4,\n1,1,1,1000,5,9,4\n",
			"1 with an impossible duration, 1 with an impossible order of dates"},
	} {
		t.Run(name, func(t *testing.T) {
			tasks, skipped, err := trace.ReadTasks(write(t, c.file, c.text))
			if err != nil || len(tasks) == 0 || skipped.String() != c.want {
				t.Errorf("%d tasks, %v\n%v, want\n%s", len(tasks), err, skipped, c.want)
			}
		})
	}
}

// What tasks ask for is known where their times are not; a history of which nothing has run is none that is wrong.
func TestReadsWithoutTimes(t *testing.T) {
	tasks, _, err := trace.ReadRequests(write(t, "pods.csv", "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,8,1000\n"))
	if err != nil || len(tasks) != 1 || tasks[0].GPUs != 8 || tasks[0].Duration != 0 {
		t.Error(tasks, err)
	}
	tasks, _, err = trace.ReadHistory(strings.NewReader(""))
	if err != nil || len(tasks) != 0 {
		t.Error(tasks, err)
	}
	if _, _, err = trace.ReadHistory(strings.NewReader("no\n")); err == nil {
		t.Error("what is no history was read")
	}
}

func TestReadsNodes(t *testing.T) {
	nodes, err := trace.ReadNodes(write(t, "n.csv", "sn,cpu_milli,memory_mib,gpu,model\nn-0,64000,262144,2,P100\nn-1,32000,1,0,\n"))
	if err != nil || len(nodes) != 2 || nodes[0] != (trace.Node{Name: "n-0", CPUMilli: 64000, MemoryMiB: 262144, GPUs: 2, Model: "P100"}) {
		t.Fatal(nodes, err)
	}
	for _, text := range []string{"sn,cpu_milli,memory_mib\n", "sn,cpu_milli,memory_mib,gpu\n", "sn,cpu_milli,memory_mib,gpu\na,-1,1,1\n", "sn,cpu_milli,memory_mib,gpu\na,1,1,many\n",
		"sn,cpu_milli,memory_mib,gpu\na,1,1,0.5\n", "sn,cpu_milli,memory_mib,gpu\na,1,1,1\na,2,2,2\n"} {
		if _, err := trace.ReadNodes(write(t, "n.csv", text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// The public traces have as many tasks as they say.
func TestReadsPublicTraces(t *testing.T) {
	for file, want := range map[string]int{"genai-lora/lora_request_trace.csv": 18757, "philly/philly.csv": 57572, "swf/nasa.swf.gz": 12656,
		"openb/openb_pod_list_default.csv": 4939, "openb/openb_pod_list_multigpu50.csv": 5497} {
		tasks, skipped, err := trace.ReadRequests(sourcetest.Data(t, "traces", file))
		if err != nil {
			t.Fatal(err)
		}
		if len(tasks) != want {
			t.Errorf("%s has %d tasks, want %d; left out: %v", file, len(tasks), want, skipped)
		}
	}
	nodes, err := trace.ReadNodes(sourcetest.Data(t, "traces", "openb", "openb_node_list_gpu_node.csv"))
	gpus := 0
	for _, n := range nodes {
		gpus += n.GPUs
	}
	if err != nil || len(nodes) != 1213 || gpus != 6212 {
		t.Errorf("%d nodes with %d GPUs, %v", len(nodes), gpus, err)
	}
}

func FuzzReadTasks(f *testing.F) {
	f.Add("a.csv", "timestamp,duration,num_gpus\n2020-01-01 00:00:00,4,1\n")
	f.Add("a.swf", strings.Repeat("1 ", 18))
	f.Add("a.jsonl", `{"task":"t"}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		if name = filepath.Base(name); strings.ContainsAny(name, "/\x00") || len(name) > 100 || name == "." || name == ".." {
			return
		}
		path := filepath.Join(t.TempDir(), name)
		if os.WriteFile(path, []byte(text), 0o600) != nil {
			return
		}
		tasks, _, err := trace.ReadTasks(path)
		if err == nil && len(tasks) == 0 {
			t.Error("no task and no error")
		}
		for i, x := range tasks {
			if x.Duration < 0 || i > 0 && x.Submitted < tasks[i-1].Submitted {
				t.Errorf("task %d: %+v", i, x)
			}
		}
	})
}

func fprint(w *strings.Builder, x trace.Task) {
	fmt.Fprintf(w, "%s %.0f %.0f %.4g %t; ", x.Name, x.Submitted, x.Started, x.Duration, x.Censored)
}

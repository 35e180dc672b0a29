//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// profiler is laid over the program's main package (go build -overlay), for this run only: the product has no switch that
// profiles it. Each SIGUSR2 begins or ends a profile of the processor, and of what was allocated meanwhile, in the folder
// that SEKISHO_BENCH_PROFILE names.
const profiler = `package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
)

func init() {
	dir := os.Getenv("SEKISHO_BENCH_PROFILE")
	runtime.MemProfileRate = 16 << 10
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR2)
	write := func(name string) {
		f, err := os.Create(name)
		if err == nil {
			runtime.GC()
			err = pprof.Lookup("allocs").WriteTo(f, 0)
			f.Close()
		}
		if err != nil {
			panic(err)
		}
	}
	go func() {
		for n := 1; ; n++ {
			name := filepath.Join(dir, strconv.Itoa(os.Getpid())+"-"+strconv.Itoa(n))
			<-told
			write(name + ".mem-before")
			f, err := os.Create(name + ".cpu")
			if err != nil {
				panic(err)
			}
			runtime.SetCPUProfileRate(997) // StartCPUProfile would take 100, and says that it cannot
			_ = pprof.StartCPUProfile(f)
			<-told
			pprof.StopCPUProfile()
			f.Close()
			write(name + ".mem")
			os.WriteFile(name+".done", nil, 0o644)
		}
	}()
}
`

// buildProfiled builds Sekisho with the profiler laid over it.
func buildProfiled(root, dir, out string) error {
	code, overlay := filepath.Join(dir, "profiler.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, "cmd", "sekisho", "profiler.go"): code}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(code, []byte(profiler), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", out, "./cmd/sekisho")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.Run()
}

// profile begins or ends the profiles of one row, where they were asked for, and names them after it.
func (r *run) profile(p *running, one *row, end bool) {
	if r.o.Profile == "" || p == nil {
		return
	}
	_ = syscall.Kill(p.PID(), syscall.SIGUSR2)
	if !end {
		time.Sleep(200 * time.Millisecond) // it begins
		return
	}
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		done, _ := filepath.Glob(filepath.Join(r.o.Profile, "*.done"))
		for _, d := range done {
			base := d[:len(d)-len(".done")]
			for _, kind := range []string{".cpu", ".mem", ".mem-before"} {
				_ = os.Rename(base+kind, filepath.Join(r.o.Profile, one.id+kind))
			}
			_ = os.Remove(d)
			return
		}
	}
}

// Package eval runs a PAC script, to see what it answers: in tests, in checks, on the command line. No serving program
// links it.
//
//	answer, err := eval.Run(ctx, src, "https://login.live.com/", "login.live.com", client)
//
//	s, err := eval.Compile(src, eval.Options{Resolve: resolve, Now: clock})
//	answer, err := s.Find(ctx, url, host)
//
// A script is a program from somebody else. It gets the functions of the PAC interface, the language and nothing more;
// code from text (eval, Function), shared memory and the functions that make a large value from a small one are taken
// away. It has a deadline, a bounded stack and a watched heap. Names are resolved only by the function that the caller
// gives. The interface is that of Netscape's "Navigator Proxy Auto-Config File Format" (1996) with the functions for
// IPv6 that Windows added ("IPv6 Extensions to Navigator Auto-Config File Format",
// https://learn.microsoft.com/windows/win32/winhttp/ipv6-extensions-to-navigator-auto-config-file-format); Mozilla's
// "Proxy Auto-Configuration (PAC) file"
// (https://developer.mozilla.org/docs/Web/HTTP/Guides/Proxy_servers_and_tunneling/Proxy_Auto-Configuration_PAC_file,
// read 2026-11-23) decides where they leave room.
package eval

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
)

// Limits of one call. A real file answers in microseconds and keeps a few kilobytes; WinHTTP gives it 60 s.
const (
	// DefaultTimeout bounds one call (chosen: a thousand times what a large file needs).
	DefaultTimeout = 2 * time.Second
	// MaxSource is the largest script in bytes; WinHTTP refuses more than 1 MiB.
	MaxSource = 1 << 20
	// MaxHeap is by how much the heap of the process may grow during a call (chosen).
	MaxHeap = 256 << 20
	// maxStack is the depth of calls (chosen: browsers allow some ten thousand).
	maxStack = 2000
	// maxAnswer is the longest answer in bytes (chosen).
	maxAnswer = 16 << 10
	// grace is how long a call may go on after it has been told to stop: built-in loops of the engine do not listen.
	grace = 500 * time.Millisecond
)

// ErrDeadline says that the script did not answer in time.
var ErrDeadline = errors.New("the script did not answer in time")

// ErrMemory says that the script took too much memory.
var ErrMemory = errors.New("the script took too much memory")

// ScriptError is what the script itself did wrong: syntax, an exception, no FindProxyForURL, an answer that is no text.
type ScriptError struct {
	Message string
	// Line and Column say where, from 1; 0 when the place is not known, or Message names it.
	Line, Column int
}

func (e *ScriptError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("pac script: line %d, column %d: %s", e.Line, e.Column, e.Message)
	}
	return "pac script: " + e.Message
}

// Options are what a script may ask of the outside. The zero value resolves no name, has no address of its own, and
// takes the time from the system.
type Options struct {
	Resolve func(host string) []netip.Addr // nil: no name resolves
	Client  netip.Addr                     // myIpAddress; zero: 127.0.0.1, as browsers answer when they do not know
	Now     func() time.Time               // nil: time.Now
	Timeout time.Duration                  // of one call; 0: DefaultTimeout
	Name    string                         // what the script is called where the engine names a place; "": proxy.pac
}

// Script is a compiled script with its global state, which calls share as they do in a browser. Not safe for
// concurrent use. After ErrDeadline and ErrMemory it answers nothing more.
type Script struct {
	vm   *goja.Runtime
	find goja.Callable
	opts Options
	dead error
}

// Run compiles src and asks it once. It returns what FindProxyForURL answers, ctx.Err(), ErrDeadline, ErrMemory or a
// *ScriptError. No name resolves.
func Run(ctx context.Context, src []byte, url, host string, client netip.Addr) (string, error) {
	s, err := Compile(ctx, src, Options{Client: client})
	if err != nil {
		return "", err
	}
	return s.Find(ctx, url, host)
}

// Compile reads src and runs its top level.
func Compile(ctx context.Context, src []byte, opts Options) (*Script, error) {
	return compile(ctx, src, opts, nil)
}

// compile is Compile; change may change what was read before it runs.
func compile(ctx context.Context, src []byte, opts Options, change func(*Script, *ast.Program) error) (*Script, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Name == "" {
		opts.Name = "proxy.pac"
	}
	s := &Script{vm: goja.New(), opts: opts}
	s.vm.SetMaxCallStackSize(maxStack)
	if err := s.prepare(); err != nil {
		return nil, err
	}
	_, err := s.bounded(ctx, func() (goja.Value, error) {
		tree, err := parse(src, opts.Name)
		if err != nil {
			return nil, err
		}
		if change != nil {
			if err := change(s, tree); err != nil {
				return nil, err
			}
		}
		program, err := goja.CompileAST(tree, false)
		if err != nil {
			return nil, err
		}
		return s.vm.RunProgram(program)
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"FindProxyForURL", "FindProxyForURLEx"} {
		if f, ok := goja.AssertFunction(s.vm.Get(name)); ok {
			s.find = f
			return s, nil
		}
	}
	return nil, &ScriptError{Message: "no function FindProxyForURL"}
}

// Find asks the script about one URL. host is passed as it is: browsers pass the host of the URL.
func (s *Script) Find(ctx context.Context, url, host string) (string, error) {
	v, err := s.bounded(ctx, func() (goja.Value, error) {
		return s.find(goja.Undefined(), s.vm.ToValue(url), s.vm.ToValue(host))
	})
	if err != nil {
		return "", err
	}
	answer, ok := v.Export().(string)
	switch {
	case !ok:
		return "", &ScriptError{Message: "FindProxyForURL answered something that is no text"}
	case len(answer) > maxAnswer:
		return "", &ScriptError{Message: fmt.Sprintf("FindProxyForURL answered %d bytes", len(answer))}
	}
	return answer, nil
}

// bounded runs call in a goroutine and waits for it. A call that does not listen to the interrupt within grace is left
// behind, with the script marked dead: the goroutine ends when the engine's own loop does.
func (s *Script) bounded(ctx context.Context, call func() (goja.Value, error)) (goja.Value, error) {
	if s.dead != nil {
		return nil, s.dead
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type result struct {
		v   goja.Value
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{err: &ScriptError{Message: fmt.Sprint(p)}}
			}
			done <- r
		}()
		r.v, r.err = call()
	}()
	deadline := time.NewTimer(s.opts.Timeout)
	defer deadline.Stop()
	watch := time.NewTicker(2 * time.Millisecond) // chosen: memory cannot grow by much more than MaxHeap in between
	defer watch.Stop()
	first := uint64(0)
	for {
		select {
		case r := <-done:
			return r.v, readable(r.err)
		case <-ctx.Done():
			s.dead = ctx.Err()
		case <-deadline.C:
			s.dead = ErrDeadline
		case <-watch.C:
			now := heap()
			if first == 0 {
				first = now
			}
			if now > first+MaxHeap {
				s.dead = ErrMemory
			}
		}
		if s.dead != nil {
			s.vm.Interrupt(s.dead)
			last := time.NewTimer(grace)
			defer last.Stop()
			select {
			case <-done:
			case <-last.C:
			}
			return nil, s.dead
		}
	}
}

// heap is what the process's live and dead objects take.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// readable turns the engine's errors into ours.
func readable(err error) error {
	if err == nil {
		return nil
	}
	var mine *ScriptError
	if errors.As(err, &mine) {
		return mine
	}
	return &ScriptError{Message: shortened(err.Error())}
}

// shortened is the first line of a text from the engine, which may quote the script.
func shortened(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "")
	}
	return text
}

// prepare takes away what a PAC script has no use for and adds the interface.
func (s *Script) prepare() error {
	if _, err := s.vm.RunString(tame); err != nil {
		return fmt.Errorf("prepare the script engine: %w", err)
	}
	for _, name := range []string{"eval", "Function", "Proxy", "Reflect", "WebAssembly", "ArrayBuffer", "SharedArrayBuffer",
		"DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array",
		"Uint32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "BigInt", "Promise"} {
		s.vm.GlobalObject().Delete(name)
	}
	return s.functions()
}

// tame removes the ways from a small text to a large value, and to code from text that hang on values. The engine's own
// loops over an array-like value do not listen to the interrupt, and some ask for all of its memory at once: they take no
// more than a million members, and calls no more than 65,536 arguments.
const tame = `(function () {
  var call = Reflect.apply, wrap = function (f, most, at) {
    return function () {
      var list = at < 0 ? this : arguments[at];
      if (list !== null && list !== undefined && list.length > most) { throw new RangeError("too many members"); }
      return call(f, this, arguments);
    };
  }, names = Object.getOwnPropertyNames(Array.prototype), n;
  for (n = 0; n < names.length; n++) {
    if (names[n] !== "constructor" && typeof Array.prototype[names[n]] === "function") {
      Object.defineProperty(Array.prototype, names[n], {value: wrap(Array.prototype[names[n]], 1000000, -1)});
    }
  }
  Object.defineProperty(Function.prototype, "apply", {value: wrap(Function.prototype.apply, 65536, 1)});
  delete String.prototype.repeat; delete String.prototype.padStart; delete String.prototype.padEnd;
  delete Array.prototype.fill; delete Array.from;
  var kinds = [function () {}, function* () {}, async function () {}], i;
  for (i = 0; i < kinds.length; i++) {
    Object.defineProperty(Object.getPrototypeOf(kinds[i]), "constructor", {value: undefined});
  }
})();`

//go:build unix

package clients

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"sekisho/internal/lab"
)

// browser is a Chromium of its own that knows the PAC file's URL and trusts the two roots, because they stand in its
// user's certificate store; it is told to overlook nothing.
type browser struct {
	ctx context.Context
	t   *testing.T
	log *lockedBuffer // the checkpoint's
}

// browse starts Chromium for readers of language. It ends with the test.
func (c *checkpoint) browse(t *testing.T, language string) *browser {
	t.Helper()
	chromium := need(t, "chromium", "chromium", "chromium-browser", "google-chrome")
	certutil := need(t, "libnss3-tools", "certutil")
	home := t.TempDir()
	store := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(c.trust)
	if err != nil {
		t.Fatal(err)
	}
	nss := func(args ...string) {
		t.Helper()
		if r := client(t, []string{"HOME=" + home}, certutil, append([]string{"-d", "sql:" + store}, args...)...); r.code != 0 {
			t.Fatalf("certutil %v: %s%s", args, r.out, r.err)
		}
	}
	nss("-N", "--empty-password")
	for i, root := range certificates(t, bundle) {
		file := filepath.Join(home, "root.pem")
		if err := os.WriteFile(file, certificatePEM(root.Raw), 0o600); err != nil {
			t.Fatal(err)
		}
		nss("-A", "-t", "C,,", "-n", []string{"gateway", "lab"}[i], "-i", file)
	}

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.NoInheritEnv,
		chromedp.Env("HOME="+home, "PATH="+os.Getenv("PATH"), "LANGUAGE="+language),
		chromedp.WindowSize(1000, 800),
		chromedp.Flag("proxy-pac-url", c.pac),
		chromedp.Flag("accept-lang", language),
		chromedp.Flag("lang", language),
		chromedp.Flag("headless", "new"),
		chromedp.Flag("no-sandbox", os.Getuid() == 0), // Chromium's own condition for running as root
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	output := &lockedBuffer{}
	options = append(options, chromedp.CombinedOutput(output), chromedp.WSURLReadTimeout(startLimit))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("the browser did not end: %v", err)
		}
		cancel()
		stop()
		if t.Failed() {
			t.Logf("the end of the browser's output:\n%s", output.tail(20))
		}
	})
	if err := chromedp.Do(ctx); err != nil { // without a limit: the browser lives as long as this first context
		t.Fatalf("Chromium does not start: %v\n%s", err, output)
	}
	return &browser{ctx, t, c.log}
}

// window opens a private window of the same browser, which knows nothing of the other ones: a start of Chromium takes much
// longer. It closes with t.
func (b *browser) window(t *testing.T) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w := &browser{ctx, t, b.log}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium opens no window: %v", err)
	}
	return w
}

// signIn fills in the sign-in page of an application and presses the buttons that follow, until the browser is with the application
// at http://localhost or the page has another status than 200, which it returns.
func (b *browser) signIn(page, user, password string) (status int64) {
	b.t.Helper()
	if status = b.visit(page); status != 200 {
		return status
	}
	status = b.submit(map[string]string{"username": user, "password": password})
	for range maxForms {
		if status != 200 || strings.HasPrefix(b.location(), "http://localhost:") {
			return status
		}
		status = b.submit(nil) // the code travels in a form, which the lab lets a person send
	}
	b.t.Fatalf("%s leads through more than %d forms", page, maxForms)
	return status
}

// within runs an action within the limit of one client and returns its value.
func within[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, clientLimit)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// opens runs actions that lead to another page and returns the HTTP status of the page, which has then been loaded.
func (b *browser) opens(actions ...chromedp.Action[chromedp.Void]) int64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, clientLimit)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, actions...)
	if err != nil {
		b.t.Fatalf("%v; the checkpoint wrote at last\n%s", err, b.log.tail(10))
	}
	return int64(answer.Status)
}

// visit opens address as typed into the address bar.
func (b *browser) visit(address string) int64 {
	b.t.Helper()
	return b.opens(chromedp.Navigate(address))
}

// submit fills the fields of the page's form and presses its button.
func (b *browser) submit(fields map[string]string) int64 {
	b.t.Helper()
	var actions []chromedp.Action[chromedp.Void]
	for id, value := range fields {
		actions = append(actions, chromedp.SetValue(chromedp.CSS("#"+id), value))
	}
	return b.opens(append(actions, chromedp.Click(chromedp.CSS("#submit")))...)
}

// location is what the address bar shows.
func (b *browser) location() string {
	b.t.Helper()
	return within(b, chromedp.Location())
}

// shows fails the test unless the page contains every one of want.
func (b *browser) shows(want ...string) {
	b.t.Helper()
	text := within(b, chromedp.Text(chromedp.CSS("body")))
	for _, w := range want {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s does not show %q, it shows\n%s", b.location(), w, text)
		}
	}
}

// language is the language that the page declares.
func (b *browser) language() string {
	b.t.Helper()
	return within(b, chromedp.Evaluate[string]("document.documentElement.lang"))
}

// keep writes what the browser shows to the folder SEKISHO_SCREENSHOTS when that is set, for people to look at.
func (b *browser) keep(name string) {
	b.t.Helper()
	png := within(b, chromedp.FullScreenshot(100))
	if len(png) == 0 {
		b.t.Errorf("the picture of %s is empty", name)
	}
	dir := os.Getenv("SEKISHO_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// An application signs in with MSAL for Go and the browser of its user: authorization code with PKCE, back to the
// application at http://localhost.
func TestBrowser(t *testing.T) {
	t.Parallel()
	need(t, "chromium", "chromium", "chromium-browser", "google-chrome")
	need(t, "libnss3-tools", "certutil")
	c := up(t)
	read := map[string]*browser{"en": c.browse(t, "en"), "ja": c.browse(t, "ja")}

	t.Run("a permitted person signs in", func(t *testing.T) {
		b := read["en"].window(t)
		page, finish := c.startMSAL(t, "browser", lab.ContosoDomain)
		if status := b.visit(page.Open); status != 200 {
			t.Errorf("the sign-in page has status %d", status)
		}
		b.shows("Contoso", "Lab Desktop")
		b.keep("sign-in-en")
		b.submit(map[string]string{"username": lab.Alice, "password": "wrong"})
		b.shows("The user name or the password is wrong")
		b.keep("sign-in-wrong-password-en")
		b.submit(map[string]string{"username": lab.Alice, "password": lab.AlicePassword})
		// MSAL asks for the code in a form (response_mode=form_post), which the lab lets a person send.
		b.shows("Lab Desktop")
		b.keep("return-en")
		b.submit(nil)
		if where := b.location(); !strings.HasPrefix(where, "http://localhost:") {
			t.Fatalf("the browser came to %s, want the application at http://localhost", where)
		}
		o := finish()
		if o.Error != "" || o.User != lab.Alice || o.Tenant != lab.ContosoTenant {
			t.Errorf("the application got %+v", o)
		}

		// The same browser, the same person, now for a tenant that is not permitted.
		page, _ = c.startMSAL(t, "browser", lab.FabrikamDomain)
		if status := b.visit(page.Open); status != 400 {
			t.Errorf("the refusal has status %d, want 400", status)
		}
		b.shows("AADSTS500021", "Fabrikam")
		b.keep("foreign-tenant-en")
	})

	t.Run("a foreign person is refused", func(t *testing.T) {
		b := read["ja"].window(t)
		page, _ := c.startMSAL(t, "browser", lab.FabrikamDomain, lab.Bob)
		b.visit(page.Open)
		b.shows("AADSTS500021", "Fabrikam")
		b.keep("foreign-tenant-ja")

		page, _ = c.startMSAL(t, "browser", "organizations", lab.Bob)
		b.visit(page.Open)
		b.keep("sign-in-ja")
		b.submit(map[string]string{"username": lab.Bob, "password": lab.BobPassword})
		b.shows("AADSTS500021")
		b.keep("foreign-person-ja")
		if got := b.language(); got != "ja" {
			t.Errorf("the page is in %q", got)
		}

		page, _ = c.startMSAL(t, "browser", "common", lab.Frank)
		b.visit(page.Open)
		b.submit(map[string]string{"username": lab.Frank, "password": lab.FrankPassword})
		where := b.location()
		if !strings.HasPrefix(where, "https://login.live.com/") {
			t.Errorf("a personal account came to %s, want login.live.com", where)
		}
		b.keep("consumer-ja")
	})

	for _, language := range []string{"ja", "en"} {
		t.Run("pages of the checkpoint in "+language, func(t *testing.T) {
			b := read[language].window(t)
			if status := b.visit("http://www.example.org/"); status != 403 {
				t.Errorf("the refusal has status %d, want 403", status)
			}
			b.shows("not-allowed", "www.example.org", "ext. 1234")
			if got := b.language(); got != language {
				t.Errorf("the refusal is in %q, want %q", got, language)
			}
			b.keep("refusal-" + language)

			if status := b.visit(c.operations); status != 200 {
				t.Errorf("the status page has status %d", status)
			}
			b.shows("LAB", c.gateway, c.pac, "contoso-only")
			if got := b.language(); got != language {
				t.Errorf("the status page is in %q, want %q", got, language)
			}
			b.keep("status-" + language)
			other := map[string]string{"ja": "en", "en": "ja"}[language]
			b.opens(chromedp.Click(chromedp.CSS(`nav a[hreflang="` + other + `"]`)))
			if got := b.language(); got != other {
				t.Errorf("the link to the other language leads to %q", got)
			}
		})
	}

	t.Run("what must not be inspected opens by its own certificate", func(t *testing.T) {
		b := read["en"].window(t)
		if status := b.visit("https://manage.microsoft.com/"); status != 200 {
			t.Errorf("manage.microsoft.com has status %d", status)
		}
		b.keep("tunnelled-host")
	})
}

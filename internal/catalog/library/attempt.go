package library

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"sekisho/internal/finding"
	"sekisho/internal/lockfile"
)

// Attempt is what is known of fetching one list, by whichever process it was tried.
type Attempt struct {
	List    string    `json:"list"`
	Tried   time.Time `json:"tried"`                // the last time, UTC
	Result  string    `json:"result"`               // of that time, as the one who tried calls it
	Version string    `json:"version"`              // the publisher's newest, when it was last learned; "" never
	Asked   time.Time `json:"succeeded,omitzero"`   // the last time that did not fail, UTC; zero: never
	Failed  time.Time `json:"fails_since,omitzero"` // UTC; zero: it does not
	// Failures counts those since Failed.
	Failures int          `json:"failures"`
	Findings finding.List `json:"findings,omitempty"` // why the last one failed
	// Refused is what was fetched whole and is not to be believed; zero: nothing.
	Refused Refusal `json:"refused,omitzero"`
}

// Refusal is a version that was fetched whole and refused. Fetching it again would not make it better: until the publisher
// has another, who polls leaves it alone.
type Refusal struct {
	What     string       `json:"what"` // the publisher's version, or the name of its file
	Findings finding.List `json:"findings"`
}

// attemptBytes bounds the file of attempts (chosen: seven lists with some findings have 10 KiB).
const attemptBytes = 1 << 20

// mostReasons bounds the findings that are kept of one attempt (chosen: the first says it).
const mostReasons = 5

func (l *Library) attemptFile() string { return filepath.Join(l.folder, "attempts.json") }

// Attempts returns what is known of fetching, by list. A file that cannot be read is as none: it decides nothing.
func (l *Library) Attempts() map[string]Attempt {
	list := map[string]Attempt{}
	body, err := readBounded(l.attemptFile(), attemptBytes)
	if err != nil || json.Unmarshal(body, &list) != nil {
		return map[string]Attempt{}
	}
	return list
}

// Note writes down an attempt of now. refused is what was fetched whole and refused because of why; "" leaves what is known of
// refusals as it is, unless the attempt did not fail. why is nil when it did not fail; version is "" when it could not be learned.
func (l *Library) Note(list, version, result, refused string, why finding.List) error {
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	lock, err := lockfile.Acquire(filepath.Join(l.folder, ".attempts.lock"), lockWait)
	if err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	defer lock.Release()
	all := l.Attempts()
	a := all[list]
	now := l.now().UTC().Truncate(time.Second)
	a.List, a.Tried, a.Result, a.Findings = list, now, result, nil
	if version != "" {
		a.Version = version
	}
	if why == nil {
		a.Asked, a.Failed, a.Failures, a.Refused = now, time.Time{}, 0, Refusal{}
	} else {
		if a.Failed.IsZero() {
			a.Failed = now
		}
		a.Failures++
		a.Findings = why[:min(len(why), mostReasons)]
		if refused != "" {
			a.Refused = Refusal{refused, a.Findings}
		}
	}
	all[list] = a
	body, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		temporary := l.attemptFile() + ".new"
		if err = writeFile(temporary, append(body, '\n')); err == nil {
			err = os.Rename(temporary, l.attemptFile())
		}
	}
	if err != nil {
		return finding.Fail("library.unwritable", err, "folder", l.folder)
	}
	return nil
}

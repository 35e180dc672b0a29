package route

import (
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/bgp"
	"sekisho/internal/endpoint"
	"sekisho/internal/finding"
)

const (
	// MaxAnswerBytes is the largest file of answers that is read (chosen: ten thousand names have less than a tenth of it).
	MaxAnswerBytes = 32 << 20
	// maxAnswerFaults bounds the lines that are told one by one (chosen).
	maxAnswerFaults = 20
)

// answerFile is the JSON form: a list of these, one for each site.
type answerFile struct {
	Site     string    `json:"site"`
	Resolver string    `json:"resolver"`
	At       time.Time `json:"at"`
	Answers  []struct {
		Name      string   `json:"name"`
		Chain     []string `json:"chain"`
		Addresses []string `json:"addresses"`
	} `json:"answers"`
}

// ParseAnswers reads what resolvers answered at one or several sites, because content networks answer each site
// differently. Two forms are read: JSON,
//
//	[{"site": "osaka", "resolver": "10.2.0.53", "at": "2026-11-20T01:02:03Z",
//	  "answers": [{"name": "a.example.com", "chain": ["b.example.net"], "addresses": ["192.0.2.1"]}]}]
//
// and what dig prints, in UTF-8 or in UTF-16 with a mark, for any number of names; "; site: osaka" names the site of what follows, the file's name does
// where no line says it. Findings are errors, each with its line, and the list is nil exactly then.
func ParseAnswers(name string, data []byte) ([]Resolution, finding.List) {
	fail := func(code string, args ...string) ([]Resolution, finding.List) {
		return nil, finding.List{finding.New(code, finding.Error, finding.Pos{File: name}, args...)}
	}
	if len(data) > MaxAnswerBytes {
		return fail("route.answers-large", "max", strconv.Itoa(MaxAnswerBytes>>20))
	}
	text, ok := bgp.Plain(data) // Windows PowerShell's ">" writes UTF-16
	if !ok {
		return fail("route.answers-encoding")
	}
	p := &answersParser{file: name, site: strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))}
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "[") || strings.HasPrefix(trimmed, "{") {
		p.json(text)
	} else {
		p.dig(text)
	}
	if len(p.found) > 0 {
		return nil, p.found
	}
	if len(p.list) == 0 {
		return fail("route.answers-empty")
	}
	return p.list, nil
}

type answersParser struct {
	file, site string
	list       []Resolution
	found      finding.List
	row        int
}

func (p *answersParser) wrong(value string) {
	if len(p.found) < maxAnswerFaults {
		if len(value) > 80 {
			value = strings.ToValidUTF8(value[:80], "") + "..."
		}
		p.found = append(p.found, finding.New("route.answers-line", finding.Error, finding.Pos{File: p.file, Line: p.row}, "value", value))
	}
}

func (p *answersParser) json(text string) {
	if !strings.HasPrefix(strings.TrimSpace(text), "[") {
		text = "[" + text + "]"
	}
	var files []answerFile
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&files)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows behind the list")
		}
	}
	if err != nil {
		p.row = 1 + strings.Count(text[:min(int(d.InputOffset()), len(text))], "\n")
		p.wrong(err.Error())
		return
	}
	for _, f := range files {
		for _, a := range f.Answers {
			r := Resolution{Site: f.Site, Resolver: f.Resolver, At: f.At.UTC()}
			var ok bool
			if r.Name, ok = p.host(a.Name); !ok {
				continue
			}
			for _, alias := range a.Chain {
				if h, ok := p.host(alias); ok {
					r.Chain = append(r.Chain, h)
				}
			}
			for _, text := range a.Addresses {
				addr, err := netip.ParseAddr(text)
				if err != nil || addr.Zone() != "" {
					p.wrong(text)
					continue
				}
				r.Addrs = append(r.Addrs, addr.Unmap())
			}
			if len(r.Addrs) == 0 {
				p.wrong(a.Name)
				continue
			}
			p.list = append(p.list, r)
		}
	}
}

func (p *answersParser) host(text string) (endpoint.Host, bool) {
	h, err := endpoint.ParseHost(text)
	if err != nil {
		p.wrong(text)
	}
	return h, err == nil
}

// dig reads the answers that dig prints: "name ttl class type data", comments after semicolons.
func (p *answersParser) dig(text string) {
	type record struct {
		owner, alias endpoint.Host
		addr         netip.Addr
	}
	var block []record
	site, resolver := p.site, ""
	var at time.Time
	begin := 0
	// end closes the answer of one command: aliases and addresses belong together.
	end := func() {
		var starts []endpoint.Host
		aliased := map[endpoint.Host]bool{}
		for _, r := range block {
			if r.alias != "" {
				aliased[r.alias] = true
			}
		}
		for _, r := range block {
			if !aliased[r.owner] && !slices.Contains(starts, r.owner) {
				starts = append(starts, r.owner)
			}
		}
		for _, start := range starts {
			one := Resolution{Site: site, Name: start}
			name := start
			for moved := true; moved && len(one.Chain) < 16; {
				moved = false
				for _, r := range block {
					if r.owner == name && r.alias != "" && !slices.Contains(one.Chain, r.alias) {
						one.Chain, name, moved = append(one.Chain, r.alias), r.alias, true
						break
					}
				}
			}
			for _, r := range block {
				if r.owner == name && r.addr.IsValid() && !slices.Contains(one.Addrs, r.addr) {
					one.Addrs = append(one.Addrs, r.addr)
				}
			}
			if len(one.Addrs) > 0 {
				p.list = append(p.list, one)
			}
		}
		block = block[:0]
	}
	for i, line := range strings.Split(text, "\n") {
		p.row = i + 1
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, ";")
		comment = strings.TrimSpace(strings.TrimLeft(comment, ";"))
		switch {
		case line == "":
		case isComment:
			switch {
			case strings.HasPrefix(comment, "<<>> DiG"), strings.HasPrefix(comment, "->>HEADER<<-"):
				end()
			case strings.HasPrefix(comment, "site:"):
				end()
				site = strings.TrimSpace(strings.TrimPrefix(comment, "site:"))
			case strings.HasPrefix(comment, "SERVER:"):
				// "10.2.0.53#53(10.2.0.53) (UDP)"; it stands behind its answer.
				resolver, _, _ = strings.Cut(strings.TrimSpace(strings.TrimPrefix(comment, "SERVER:")), "(")
				end()
				for j := begin; j < len(p.list); j++ {
					p.list[j].Resolver = resolver
				}
			case strings.HasPrefix(comment, "WHEN:"):
				if t, err := time.Parse("Mon Jan 02 15:04:05 MST 2006", strings.TrimSpace(strings.TrimPrefix(comment, "WHEN:"))); err == nil {
					at = t.UTC()
					for j := begin; j < len(p.list); j++ {
						p.list[j].At = at
					}
				}
				begin = len(p.list)
			}
		default:
			words := strings.Fields(line)
			if len(words) < 5 || words[2] != "IN" {
				p.wrong(line)
				continue
			}
			owner, ok := p.host(words[0])
			if !ok {
				continue
			}
			r := record{owner: owner}
			switch words[3] {
			case "CNAME":
				if r.alias, ok = p.host(words[4]); !ok {
					continue
				}
			case "A", "AAAA":
				addr, err := netip.ParseAddr(words[4])
				if err != nil || (words[3] == "A") != addr.Is4() {
					p.wrong(line)
					continue
				}
				r.addr = addr.Unmap()
			default:
				continue
			}
			block = append(block, r)
		}
	}
	end()
}

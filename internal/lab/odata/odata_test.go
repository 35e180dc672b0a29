package odata

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

type row struct {
	id    string
	name  any
	code  int
	on    bool
	since time.Time
}

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func schema() Schema[row] {
	return Schema[row]{
		Resource: "microsoft.graph.row", Key: []byte("k"), ID: func(r row) string { return r.id },
		Page: 2, MaxPage: 5, Default: "since desc", Properties: []string{"id", "name", "status", "secret", "tags"},
		Fields: []Field[row]{
			{Path: "id", Filter: Equal | In, Order: true, Value: func(r row) any { return r.id }},
			{Path: "name", Filter: Equal | NotEqual | StartsWith | In | GreaterEqual, Order: true, Value: func(r row) any { return r.name }},
			{Path: "status/errorCode", Kind: Int, Filter: Equal | NotEqual | Ordered | In, Order: true, Value: func(r row) any { return r.code }},
			{Path: "tags", Kind: Strings, Filter: Any, Value: func(r row) any { return []string{r.id, "all"} }},
			{Path: "on", Kind: Bool, Filter: Equal, Order: true, Value: func(r row) any { return r.on }},
			{Path: "since", Kind: Time, Filter: Equal | Ordered, Order: true, Value: func(r row) any { return r.since }},
		},
	}
}

func rows() []row {
	return []row{
		{"a", "Alice", 0, true, start},
		{"b", "bob", 500021, false, start.Add(time.Hour)},
		{"c", nil, 50126, true, start.Add(2 * time.Hour)},
		{"d", "O'Brien", 0, false, start.Add(24 * time.Hour)},
		{"e", "alice", 7, true, start.Add(24 * time.Hour)},
	}
}

// all follows the pages of a query and returns the ids.
func all(t *testing.T, query string) ([]string, error) {
	t.Helper()
	s := schema()
	var ids []string
	for range 20 {
		q, err := s.Parse(query)
		if err != nil {
			return nil, err
		}
		p := q.Apply(rows())
		for _, r := range p.Rows {
			ids = append(ids, r.id)
		}
		if p.Next == "" {
			return ids, nil
		}
		query = p.Next
	}
	t.Fatalf("%q: more pages than rows", query)
	return nil, nil
}

func TestQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                                       "d e c b a", // newest first; the id breaks the tie
		"$orderby=id":                            "a b c d e",
		"$orderby=id desc&$top=1":                "e d c b a",
		"$orderby=name":                          "c a e b d", // null first, case does not count
		"$orderby=on,id desc":                    "d b e c a",
		"orderby=id&top=5":                       "a b c d e",
		"&$OrderBy=id&":                          "a b c d e",
		"$filter=name eq 'ALICE'":                "e a",
		"$filter=name ne 'alice'":                "d c b",
		"$filter=name eq null":                   "c",
		"$filter=name ge 'b'":                    "d b",
		"$filter=not(name ge 'b')":               "e a", // null is neither
		"$filter=name eq 'O''Brien'":             "d",
		"$filter=startsWith(name,'AL')":          "e a",
		"$filter=startswith(name,'al') eq false": "d c b",
		"$filter=status/errorCode eq 500021":     "b",
		"$filter=status/errorCode gt 0 and not (on eq true)":           "b",
		"$filter=status/errorCode in (0, 7)":                           "d e a",
		"$filter=since ge 2026-11-24":                                  "d e",
		"$filter=since lt 2026-11-23T10:00:00Z":                        "a",
		"$filter=since eq 2026-11-23T19:00:00%2B09:00":                 "b",
		"$filter=id eq 'a' or id eq 'b' and on eq true":                "a", // and binds more closely
		"$filter=(id eq 'a' or id eq 'b') and on eq false":             "b",
		"$filter=not not (id in ('a','c'))":                            "c a",
		"$filter=id eq 'zz'":                                           "",
		"$filter=name eq null and name ge 'x' or not (name ge 'x')":    "d e b a",
		"$count=true&$select=Name,id&$filter=startsWith( name , 'b' )": "b",
	} {
		got, err := all(t, strings.ReplaceAll(query, " ", "%20"))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v %v, want %s", query, got, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for query, want := range map[string]string{
		"$top=0":                          "$top: Invalid page size specified: '0'. Must be between 1 and 5 inclusive.",
		"$top=6":                          "$top: Invalid page size specified: '6'. Must be between 1 and 5 inclusive.",
		"$top=x":                          "$top: Invalid page size specified: 'x'. Must be between 1 and 5 inclusive.",
		"$top=1&$top=2":                   "$top: The query option '$top' stands more than once.",
		"$top=1&top=2":                    "$top: The query option '$top' stands more than once.",
		"$search=\"x\"":                   "$search: The query option '$search' is not supported by the lab.",
		"$expand=a":                       "$expand: The query option '$expand' is not supported by the lab.",
		"$skip=1":                         "$skip: The query option '$skip' is not supported by the lab.",
		"colour=red":                      "colour: The query option 'colour' is not supported by the lab.",
		"$count=maybe":                    "$count: Invalid value 'maybe' for $count. Write true or false.",
		"$select=nothing":                 "$select: Could not find a property named 'nothing' on type 'microsoft.graph.row'.",
		"$filter=nothing%20eq%201":        "$filter: Could not find a property named 'nothing' on type 'microsoft.graph.row'.",
		"$filter=secret%20eq%20'a'":       "$filter: The property 'secret' of type 'microsoft.graph.row' cannot be used in $filter.",
		"$filter=on%20ne%20true":          "$filter: Unsupported or invalid query filter clause specified for property 'on' of resource 'microsoft.graph.row': 'ne' is not supported.",
		"$filter=endswith(name,'a')":      "$filter: The function 'endswith' is not supported in $filter.",
		"$filter=startswith(id,'a')":      "$filter: Unsupported or invalid query filter clause specified for property 'id' of resource 'microsoft.graph.row': 'startsWith' is not supported.",
		"$filter=since%20ge%20'2026'":     "$filter: Invalid filter clause: 'since' takes no text in quotes at position 10 in 'since ge '2026''.",
		"$filter=since%20ge%202026-13-01": "$filter: Invalid filter clause: a value for 'since' is expected, a time such as 2026-11-23T09:30:00Z without quotes, at position 10 in 'since ge 2026-13-01'.",
		"$filter=name%20eq%20'a":          "$filter: Invalid filter clause: the text in quotes has no end at position 9 in 'name eq 'a'.",
		"$filter=name%20eq%20a":           "$filter: Invalid filter clause: a value for 'name' is expected, a text in single quotes, at position 9 in 'name eq a'.",
		"$filter=":                        "$filter: Invalid filter clause: a property is expected at position 1 in ''.",
		"$filter=(id%20eq%20'a'":          "$filter: Invalid filter clause: ')' is expected at position 11 in '(id eq 'a''.",
		"$filter=id%20eq%20'a'%20id":      "$filter: Invalid filter clause: the end, 'and' or 'or' is expected at position 11 in 'id eq 'a' id'.",
		"$filter=name%20like%20'a'":       "$filter: Invalid filter clause: an operator (eq, ne, gt, ge, lt, le, in) is expected at position 6 in 'name like 'a''.",
		"$orderby=id%20down":              "$orderby: Invalid orderby clause 'id down'. Write a property, then asc or desc.",
		"$orderby=id,id":                  "$orderby: Invalid orderby clause: each property once, at most 3 of them.",
		"$skiptoken=":                     "$skiptoken: The specified page token value has expired and can no longer be included in your request.",
		"$skiptoken=AAAA":                 "$skiptoken: The specified page token value has expired and can no longer be included in your request.",
		"%zz=1":                           "query: The query string is not well-formed.",
		"a;b=1":                           "query: The query string is not well-formed.",
		strings.Repeat("a", maxQuery+1):   fmt.Sprintf("query: The query string has %d characters; at most %d are read.", maxQuery+1, maxQuery),
		"$filter=" + strings.Repeat("(", maxDepth+1):                             "$filter: Invalid filter clause: more than 16 levels at position 17 in '" + strings.Repeat("(", maxDepth+1) + "'.",
		"$filter=status/errorCode%20in%20(" + strings.Repeat("1,", maxIn) + "1)": "$filter: Too many values for 'in'. Max allowed: 15.",
	} {
		_, err := all(t, query)
		var e *Error
		if !errors.As(err, &e) || e.Error() != want {
			t.Errorf("%.80s:\n  %v, want\n  %s", query, err, want)
		}
	}
	many := "$filter=" + url.QueryEscape(strings.Repeat("on eq true and ", maxTerms)+"on eq true")
	if _, err := all(t, many); err == nil || !strings.Contains(err.Error(), "more than 64 comparisons") {
		t.Errorf("65 comparisons: %v", err)
	}
}

// A next link is bound to its query, to its key, and cannot be made.
func TestSkipTokenIsSealed(t *testing.T) {
	s := schema()
	q, err := s.Parse("$filter=on%20eq%20true&$count=true")
	if err != nil {
		t.Fatal(err)
	}
	p := q.Apply(rows())
	if p.Count != 3 || len(p.Rows) != 2 || !strings.HasPrefix(p.Next, "$filter=on+eq+true&$count=true&$skiptoken=") {
		t.Fatalf("%d of %d, next %q", len(p.Rows), p.Count, p.Next)
	}
	token := p.Next[strings.LastIndex(p.Next, "=")+1:]
	for name, query := range map[string]string{
		"another filter": "$filter=on%20eq%20false&$skiptoken=" + token,
		"no filter":      "$skiptoken=" + token,
		"another order":  "$filter=on%20eq%20true&$orderby=id&$skiptoken=" + token,
		"a bit":          "$filter=on%20eq%20true&$skiptoken=B" + token[1:],
		"longer":         "$filter=on%20eq%20true&$skiptoken=" + token + "AAAA",
	} {
		var e *Error
		if _, err := s.Parse(query); !errors.As(err, &e) || !e.Expired {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := schema()
	other.Key = []byte("another")
	if _, err := other.Parse(p.Next); err == nil {
		t.Error("a token of another key is read")
	}
	if _, err := s.Parse("$filter=on%20eq%20true&$top=1&$skiptoken=" + token); err != nil {
		t.Errorf("another $top: %v", err)
	}
}

// Rows that come and go between two pages move nothing.
func TestPagesWhileRowsChange(t *testing.T) {
	s := schema()
	q, _ := s.Parse("$orderby=name,id")
	first := q.Apply(rows())
	changed := slices.DeleteFunc(rows(), func(r row) bool { return r.id == "a" || r.id == "c" })
	changed = append(changed, row{"f", "Aaron", 0, true, start})
	q, err := s.Parse(first.Next)
	if err != nil {
		t.Fatal(err)
	}
	second := q.Apply(changed)
	if len(first.Rows) != 2 || first.Rows[1].id != "a" || len(second.Rows) != 2 || second.Rows[0].id != "e" {
		t.Errorf("%v, then %v", first.Rows, second.Rows)
	}
}

// Long and hostile sort keys neither break the token nor repeat a row.
func TestLongSortKeys(t *testing.T) {
	s := schema()
	s.Page = 1
	var in []row
	for i := range 4 {
		in = append(in, row{id: fmt.Sprint(i), name: strings.Repeat("\x00字\xff", 400) + fmt.Sprint(9-i)})
	}
	query, got := "$orderby=name", ""
	for range 5 {
		q, err := s.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		p := q.Apply(in)
		for _, r := range p.Rows {
			got += r.id
		}
		if query = p.Next; query == "" {
			break
		}
	}
	if got != "0123" {
		t.Errorf("rows %q", got)
	}
}

func FuzzQuery(f *testing.F) {
	files, err := filepath.Glob("testdata/query/*")
	if err != nil || len(files) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.TrimSuffix(string(data), "\n"))
	}
	s := schema()
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := s.Parse(raw)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Option == "" || e.Text == "" || q != nil {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		seen := map[string]bool{}
		total := q.Apply(rows()).Count
		begun := q.after != nil
		for range 10 {
			p := q.Apply(rows())
			if p.Count != total || len(p.Rows) > s.MaxPage {
				t.Fatalf("%q: %d rows, count %d of %d", raw, len(p.Rows), p.Count, total)
			}
			for _, r := range p.Rows {
				if seen[r.id] {
					t.Fatalf("%q: %s twice", raw, r.id)
				}
				seen[r.id] = true
			}
			if p.Next == "" {
				if len(seen) != total && !begun {
					t.Fatalf("%q: %d of %d rows in the pages", raw, len(seen), total)
				}
				return
			}
			if q, err = s.Parse(p.Next); err != nil {
				t.Fatalf("%q: the next link %q: %v", raw, p.Next, err)
			}
		}
		t.Fatalf("%q: no end", raw)
	})
}

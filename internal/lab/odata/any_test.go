package odata

import (
	"errors"
	"strings"
	"testing"
)

func TestAny(t *testing.T) {
	for filter, want := range map[string]string{
		"tags/any(t:t eq 'a')":                                "a",
		"tags/any(t: t eq 'a' or t eq 'C')":                   "ca",
		"startswith(name,'a') and Tags/any(x:x eq 'all')":     "ea",
		"not tags/any(t:t eq 'all')":                          "",
		"(tags/any(t:t eq 'nobody') or tags/any(t:t eq 'b'))": "b",
	} {
		got, err := all(t, "$filter="+strings.ReplaceAll(filter, " ", "%20"))
		if err != nil || strings.Join(got, "") != want {
			t.Errorf("%s: %v %v", filter, got, err)
		}
	}
	for _, filter := range []string{
		"tags/any", "tags/any(", "tags/any()", "tags/any(t)", "tags/any(t:)", "tags/any(t:u eq 'a')", "tags/any(t:t ne 'a')", "tags/any(t:t eq a)",
		"tags/any(t:t eq 'a'", "tags/any(t:t eq 'a' and t eq 'b')", "tags/any(t:t eq 'a' or u eq 'b')", "name/any(t:t eq 'a')", "none/any(t:t eq 'a')",
		"tags eq 'a'", "tags in ('a')", "startswith(tags,'a')", "tags/any(t:t eq null)", "tags/any(t:t eq 'a'" + strings.Repeat(" or t eq 'a'", 64) + ")",
	} {
		_, err := all(t, "$filter="+strings.ReplaceAll(filter, " ", "%20"))
		var e *Error
		if !errors.As(err, &e) || e.Option != "$filter" {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

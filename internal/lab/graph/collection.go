package graph

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sekisho/internal/lab/odata"
)

// Page sizes (Microsoft, "List users", "List signIns"; the others have the same in practice).
const (
	directoryPage    = 100
	directoryMaxPage = 999
	logPage          = 1000
)

// view is a kind of resource: how it is queried, and how it is shown.
type view[T any] struct {
	odata.Schema[T]
	// show has every property; nil values are null.
	show func(T) map[string]any
	// standard are the properties without $select; nil: all of them.
	standard []string
	// kind is the @odata.type where several kinds are mixed.
	kind string
	// advanced asks for ConsistencyLevel: eventual and $count=true where Graph's directory does: ne, not, and an order
	// beside a filter (Microsoft, "Advanced query capabilities on Microsoft Entra ID objects").
	advanced bool
}

// pick are the properties of v that are asked for.
func (w *view[T]) pick(v T, chosen []string) map[string]any {
	all := w.show(v)
	if len(chosen) == 0 {
		chosen = w.standard
	}
	if len(chosen) == 0 {
		return all
	}
	out := map[string]any{}
	for _, name := range chosen {
		if value, ok := all[name]; ok { // of mixed kinds, each shows what it has
			out[name] = value
		}
	}
	if kind, ok := all[typeProperty]; ok {
		out[typeProperty] = kind
	}
	return out
}

// typeProperty tells the kind of a resource where several kinds are mixed.
const typeProperty = "@odata.type"

// eventual reports whether the request asks for the index that counts and searches.
func (x *exchange) eventual() bool {
	return strings.EqualFold(strings.TrimSpace(x.r.Header.Get("ConsistencyLevel")), "eventual")
}

// list answers a collection. context is what stands behind $metadata#.
func list[T any](x *exchange, w *view[T], context string, rows []T) *failure {
	q, f := query(x, w)
	if f != nil {
		return f
	}
	page := q.Apply(rows)
	if len(q.Select) > 0 {
		context += "(" + strings.Join(q.Select, ",") + ")"
	}
	out := map[string]any{"@odata.context": x.base() + "/$metadata#" + context}
	if q.Count && (!w.advanced || x.eventual()) {
		out["@odata.count"] = page.Count
	}
	if page.Next != "" {
		out["@odata.nextLink"] = x.base() + "/" + x.written() + "?" + page.Next
	}
	values := make([]map[string]any, 0, len(page.Rows))
	for _, row := range page.Rows {
		values = append(values, w.pick(row, q.Select))
	}
	out["value"] = values
	x.answer(http.StatusOK, out)
	return nil
}

// count answers a path that ends in $count: the number alone, as text.
func count[T any](x *exchange, w *view[T], rows []T) *failure {
	if !x.eventual() {
		return &failure{status: http.StatusBadRequest, code: codeBad, text: "$count is not currently supported without the header ConsistencyLevel: eventual."}
	}
	q, f := query(x, w)
	if f != nil {
		return f
	}
	x.w.Header().Set("Content-Type", "text/plain")
	x.w.Write([]byte(strconv.Itoa(q.Apply(rows).Count)))
	return nil
}

func query[T any](x *exchange, w *view[T]) (*odata.Query[T], *failure) {
	q, err := w.Parse(x.r.URL.RawQuery)
	if err != nil {
		return nil, ofQuery(err)
	}
	if w.advanced && !(x.eventual() && q.Count) {
		switch {
		case q.Negated:
			return nil, &failure{status: http.StatusBadRequest, code: codeUnsupported, target: "$filter",
				text: "Unsupported Query: 'ne' and 'not' need the header ConsistencyLevel: eventual and $count=true."}
		case q.Filtered && q.Ordered:
			return nil, &failure{status: http.StatusBadRequest, code: codeUnsupported, target: "$orderby", text: "Sorting not supported for current query."}
		}
	}
	return q, nil
}

// one answers a single resource, with $select alone.
func one[T any](x *exchange, w *view[T], status int, context string, v T) *failure {
	chosen, f := selection(x, w)
	if f != nil {
		return f
	}
	if len(chosen) > 0 {
		context += "(" + strings.Join(chosen, ",") + ")"
	}
	return x.entity(status, context+"/$entity", w.pick(v, chosen))
}

// selection reads a query that may have $select alone.
func selection[T any](x *exchange, w *view[T]) ([]string, *failure) {
	q, err := w.Parse(x.r.URL.RawQuery)
	if err != nil {
		return nil, ofQuery(err)
	}
	options, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return nil, bad("The query string is not well-formed.")
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if folded := strings.TrimPrefix(strings.ToLower(name), "$"); folded != "select" && folded != "" {
			return nil, &failure{status: http.StatusBadRequest, code: codeUnsupported, target: "$" + folded,
				text: "The query option '" + clip(name, 40) + "' cannot be used with a single resource."}
		}
	}
	return q.Select, nil
}

// unqueried refuses every query option, where a page knows none.
func (x *exchange) unqueried() *failure {
	if x.r.URL.RawQuery != "" {
		return &failure{status: http.StatusBadRequest, code: codeUnsupported, text: "This operation takes no query options in the lab."}
	}
	return nil
}

// written is the path as it is written in a link.
func (x *exchange) written() string {
	var out []string
	for _, segment := range x.path {
		out = append(out, strings.NewReplacer("%28", "(", "%29", ")", "%27", "'", "%3D", "=").Replace(url.PathEscape(segment)))
	}
	return strings.Join(out, "/")
}

// views are all kinds of resources.
type views struct {
	users   *view[userRow]
	groups  *view[groupRow]
	members *view[memberRow]
	domains *view[domainRow]
	// The sign-in log is wider in beta.
	signIns, betaSignIns *view[logRow]
	applications         *view[applicationRow]
	principals           *view[principalRow]
}

func newViews(key []byte) views {
	return views{users: userView(key), groups: groupView(key), members: memberView(key), domains: domainView(key),
		signIns: signInView(key, false), betaSignIns: signInView(key, true), applications: applicationView(key), principals: principalView(key),
	}
}

// propertiesOf are the declared property names.
func propertiesOf(show map[string]any) []string { return slices.Sorted(maps.Keys(show)) }

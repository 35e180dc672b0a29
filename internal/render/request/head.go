package request

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/unicode/norm"

	"sekisho/internal/finding"
)

// Where the head of a table is looked for.
const (
	mostHeadRow    = 200 // rows from the top of each sheet (chosen)
	mostHeadColumn = 100 // columns from its left (chosen)
)

// Names of a template's cells.
const (
	namePrefix   = "sekisho_"
	columnPrefix = "sekisho_col_"
	tableName    = "sekisho_table"
)

// headNames are the names of single values, each after namePrefix.
func headNames() []string {
	return []string{"title", "organisation", "applicant", "date", "catalog", "policy", "since", "wanted", "expires", "count"}
}

// allColumns are those that a template may have.
func allColumns() []column { return slices.Concat(columns, apart) }

// synonyms are the heads that are known beside those of the built-in form, by column, in the form of plain.
var synonyms = map[string][]string{
	"number":      {"no", "#", "項番", "連番", "通番", "番号", "no番号", "number", "line", "id"},
	"kind":        {"区分", "種別", "変更区分", "申請区分", "申請種別", "作業区分", "新規変更削除", "追加変更削除", "追加削除", "kind", "type", "action", "change", "changetype", "requesttype"},
	"source":      {"送信元", "送信元ip", "送信元ipアドレス", "送信元アドレス", "接続元", "接続元ip", "接続元ipアドレス", "接続元アドレス", "発信元", "from", "source", "sourceip", "sourceaddress", "sourcenetwork", "src", "srcip"},
	"destination": {"宛先", "宛先ip", "宛先アドレス", "宛先ipアドレス", "宛先fqdn", "宛先url", "宛先ホスト", "送信先", "送信先アドレス", "送信先ipアドレス", "接続先", "接続先url", "接続先fqdn", "接続先アドレス", "接続先ipアドレス", "あて先", "to", "destination", "destinationip", "destinationaddress", "destinationfqdn", "destinationhost", "dest", "dst", "dstip", "target", "host", "fqdn", "url"},
	"ports":       {"プロトコルポート", "プロトコルポート番号", "ポートプロトコル", "サービス", "プロトコルとポート", "protocolport", "protocolandport", "protocolsandports", "portprotocol", "service", "services"},
	"protocol":    {"プロトコル", "通信プロトコル", "protocol", "proto"},
	"port":        {"ポート", "ポート番号", "宛先ポート", "宛先ポート番号", "port", "ports", "portnumber", "destinationport", "dstport"},
	"direction":   {"方向", "通信方向", "送受信", "direction", "inout"},
	"purpose":     {"用途", "目的", "利用目的", "使用目的", "申請理由", "理由", "通信内容", "利用用途", "purpose", "reason", "justification", "description", "businessjustification"},
	"basis":       {"根拠", "根拠url", "参照url", "参考url", "出典", "参照", "参考", "basis", "basisurl", "reference", "referenceurl", "references", "sourceurl"},
	"catalog":     {"カタログの版", "カタログ版", "カタログバージョン", "版", "catalogversion", "catalog", "version"},
	"wanted":      {"希望日", "実施希望日", "適用希望日", "希望実施日", "開始日", "利用開始日", "開始希望日", "wanted", "wanteddate", "desireddate", "startdate", "start", "requesteddate", "from date"},
	"expires":     {"有効期限", "期限", "終了日", "利用終了日", "利用期限", "expiry", "expires", "expirydate", "expirationdate", "enddate", "end", "validuntil"},
	"remarks":     {"備考", "特記事項", "注記", "コメント", "remarks", "remark", "note", "notes", "comment", "comments"},
	"applicant":   {"申請者", "申請者名", "申請担当者", "依頼者", "applicant", "requester", "requestedby", "requestor"},
	"approver":    {"承認者", "承認", "承認印", "approver", "approvedby", "approval"},
	"implementer": {"実施者", "作業者", "設定者", "実施担当者", "doneby", "implementer", "implementedby"},
	"done":        {"実施日", "作業日", "設定日", "完了日", "doneon", "implementationdate", "implementedon", "completed"},
	"checker":     {"確認者", "検証者", "確認", "checkedby", "verifiedby", "checker"},
}

// plain is a head without what writers vary: width, case, blanks, signs.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '#', r >= '0' && r <= '9', r >= 'a' && r <= 'z', r > 0x7f && !strings.ContainsRune("・、。※★☆（）／：＊　■●○◎", r):
			return r
		}
		return -1
	}, strings.ToLower(norm.NFKC.String(s)))
}

// meaning returns the column that a head names; "" when it is none that we know. What stands in brackets may be left out.
func (f *form) meaning(head string) string {
	head = norm.NFKC.String(head)
	texts := []string{plain(head)}
	if before, _, ok := strings.Cut(head, "("); ok {
		texts = append(texts, plain(before))
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		for _, c := range allColumns() {
			if slices.Contains(synonyms[c.id], text) || plain(f.text("column."+c.id)) == text {
				return c.id
			}
		}
	}
	return ""
}

// spot is one cell.
type spot struct {
	sheet       string
	column, row int
}

func (s spot) String() string { return s.sheet + "!" + at(s.column, s.row) }

// table is where the lines go.
type table struct {
	sheet   string
	row     int // of the heads
	first   int // of the first line
	columns map[string]spot
}

// names reads the defined names that are ours: names of values and columns with the one cell of each.
func (f *form) names(b *book) (map[string]spot, error) {
	out := map[string]spot{}
	known := []string{tableName}
	for _, n := range headNames() {
		known = append(known, namePrefix+n)
	}
	for _, c := range allColumns() {
		known = append(known, columnPrefix+c.id)
	}
	for _, d := range b.GetDefinedName() {
		name := strings.ToLower(d.Name)
		if !strings.HasPrefix(name, namePrefix) {
			continue
		}
		where, err := reference(b, d.RefersTo)
		if err != nil {
			return nil, finding.Fail("request.template-name", err, "name", visible(d.Name), "value", visible(d.RefersTo[:min(len(d.RefersTo), 200)]))
		}
		if !slices.Contains(known, name) {
			return nil, finding.Fail("request.template-unknown-name", nil, "name", visible(d.Name), "cell", where.String(),
				"want", finding.Nearest(name, known), "known", strings.Join(known, ", "))
		}
		if other, ok := out[name]; ok && other != where {
			return nil, finding.Fail("request.template-twice", nil, "first", other.String(), "second", where.String(), "column", strings.TrimPrefix(name, columnPrefix))
		}
		out[name] = where
	}
	return out, nil
}

var errReference = errors.New("no reference to one cell")

// reference reads "'Sheet 1'!$B$3". A range stands for its first cell, as merged cells do. A name that refers to a name is
// none: nothing is followed, so that nothing goes round in circles.
func reference(b *book, text string) (spot, error) {
	text = strings.TrimPrefix(text, "=")
	i := strings.LastIndexByte(text, '!')
	if len(text) > mostNameValue || i < 0 {
		return spot{}, errReference
	}
	sheet := text[:i]
	if len(sheet) >= 2 && sheet[0] == '\'' && sheet[len(sheet)-1] == '\'' {
		sheet = strings.ReplaceAll(sheet[1:len(sheet)-1], "''", "'")
	}
	first, _, _ := strings.Cut(strings.ReplaceAll(text[i+1:], "$", ""), ":")
	column, row, err := excelize.CellNameToCoordinates(first)
	if err != nil || row > mostSheetRow {
		return spot{}, errReference
	}
	if n, err := b.GetSheetIndex(sheet); err != nil || n < 0 {
		return spot{}, errReference
	}
	return spot{sheet, column, row}, nil
}

// find looks for the table: by the names of its columns, by the name of its head, or by the heads themselves.
func (f *form) find(b *book, names map[string]spot) (*table, error) {
	t := &table{columns: map[string]spot{}}
	var last spot
	for _, c := range allColumns() {
		where, ok := names[columnPrefix+c.id]
		if !ok {
			continue
		}
		if t.sheet != "" && (where.sheet != t.sheet || where.row != t.row) {
			return nil, finding.Fail("request.template-rows", nil, "first", last.String(), "second", where.String())
		}
		t.columns[c.id], t.sheet, t.row, last = where, where.sheet, where.row, where
	}
	if head, ok := names[tableName]; ok && t.sheet == "" {
		t.sheet, t.row = head.sheet, head.row
	}
	if t.sheet != "" {
		cells, err := b.GetRows(t.sheet, excelize.Options{RawCellValue: true})
		if err != nil {
			return nil, f.unusable("damaged", err, "part", visible(t.sheet))
		}
		if t.row <= len(cells) {
			found, err := f.heads(t.sheet, t.row, cells[t.row-1], t.columns)
			if err != nil {
				return nil, err
			}
			t.columns = found
		}
		if missing := lacks(t.columns); len(missing) > 0 {
			return nil, f.noHead(missing, spot{t.sheet, 1, t.row}, t.columns)
		}
		return t, nil
	}
	return f.search(b)
}

// search looks for the row with the most heads that are known.
func (f *form) search(b *book) (*table, error) {
	var best, second *table
	var close spot
	var closest map[string]spot
	for _, sheet := range b.GetSheetList() {
		if shown, err := b.GetSheetVisible(sheet); err != nil || !shown {
			continue
		}
		rows, err := b.GetRows(sheet, excelize.Options{RawCellValue: true})
		if err != nil {
			return nil, f.unusable("damaged", err, "part", visible(sheet))
		}
		for i, cells := range rows[:min(len(rows), mostHeadRow)] {
			found, err := f.heads(sheet, i+1, cells, nil)
			if len(lacks(found)) > 0 {
				if len(found) > len(closest) {
					close, closest = spot{sheet, 1, i + 1}, found
				}
				continue
			}
			if err != nil {
				return nil, err
			}
			t := &table{sheet: sheet, row: i + 1, columns: found}
			if best == nil || len(found) > len(best.columns) {
				best, second = t, nil
			} else if len(found) == len(best.columns) {
				second = t
			}
		}
	}
	if best == nil {
		return nil, f.noHead(lacks(closest), close, closest)
	}
	if second != nil {
		return nil, finding.Fail("request.template-tables", nil, "first", spot{best.sheet, 1, best.row}.String(), "second", spot{second.sheet, 1, second.row}.String())
	}
	return best, nil
}

// heads reads one row. named are columns that have a name, which counts more than what the cell says. Where two cells name
// one column, the error says so and found has it.
func (f *form) heads(sheet string, row int, cells []string, named map[string]spot) (found map[string]spot, err error) {
	found = maps.Clone(named)
	if found == nil {
		found = map[string]spot{}
	}
	taken := map[int]bool{}
	for _, s := range found {
		taken[s.column] = true
	}
	for i, text := range cells[:min(len(cells), mostHeadColumn)] {
		id := f.meaning(text)
		if id == "" || taken[i+1] || len(text) > 200 {
			continue
		}
		where := spot{sheet, i + 1, row}
		if _, ok := named[id]; ok {
			continue
		}
		if other, ok := found[id]; ok {
			if err == nil {
				err = finding.Fail("request.template-twice", nil, "first", other.String(), "second", where.String(), "column", id)
			}
			continue
		}
		found[id] = where
	}
	return found, err
}

// lacks are the columns without which lines cannot be written.
func lacks(found map[string]spot) (out []string) {
	if _, ok := found["destination"]; !ok {
		out = append(out, "destination")
	}
	_, both := found["ports"]
	_, port := found["port"]
	if !both && !port {
		out = append(out, "ports")
	}
	return out
}

func (f *form) noHead(missing []string, close spot, found map[string]spot) error {
	words := func(ids []string) string {
		for i, id := range ids {
			ids[i] = strconv.Quote(f.text("column." + id))
		}
		return strings.Join(ids, ", ")
	}
	best := ""
	var have []string
	if close.sheet != "" {
		best = close.String()
		for _, c := range allColumns() {
			if s, ok := found[c.id]; ok {
				have = append(have, s.String()+" "+strconv.Quote(f.text("column."+c.id)))
			}
		}
	}
	var all []string
	for _, c := range allColumns() {
		all = append(all, c.id)
	}
	return finding.Fail("request.template-head", nil, "missing", words(missing), "best", best, "found", strings.Join(have, ", "), "known", words(all))
}

package signinlog

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"sekisho/internal/audit/report"
	"sekisho/internal/charset"
	"sekisho/internal/finding"
)

// Limits of one file; chosen: the admin centre exports at most 100,000 rows (Microsoft, "How to download logs in
// Microsoft Entra ID"), some 100 MB with every column.
const (
	MaxCSVBytes   = 256 << 20
	maxCSVRows    = 1_000_000
	maxCSVColumns = 256
	maxCell       = 2048 // bytes kept of a cell
)

// field is a member of Row that a column fills.
type field uint8

const (
	fieldNone field = iota
	fieldTime
	fieldID
	fieldCorrelation
	fieldUser
	fieldUserID
	fieldUserName
	fieldApplication
	fieldApplicationID
	fieldStatus
	fieldCode
	fieldReason
	fieldAddress
	fieldClient
	fieldUserAgent
	fieldLocation
	fieldHomeTenant
	fieldTargetTenant
	fieldCity
	fieldState
	fieldCountry
	fieldService
	fieldServiceID
	fieldCount
)

// heads are the columns by which the export of the admin centre is read, in its English and Japanese editions, those of
// scripts that write the names of Microsoft Graph, and those that WriteCSV writes. Compared folded: see foldHead.
var heads = map[string]field{
	// The admin centre, English.
	"date (utc)": fieldTime, "date": fieldTime, "request id": fieldID, "correlation id": fieldCorrelation, "user": fieldUser, "user id": fieldUserID,
	"username": fieldUserName, "application": fieldApplication, "application id": fieldApplicationID, "status": fieldStatus,
	"sign-in error code": fieldCode, "failure reason": fieldReason, "ip address": fieldAddress, "client app": fieldClient,
	"user agent": fieldUserAgent, "location": fieldLocation, "home tenant id": fieldHomeTenant, "resource tenant id": fieldTargetTenant,
	"target tenant id": fieldTargetTenant, "service principal name": fieldService, "service principal id": fieldServiceID,
	"client": fieldClient,
	// The admin centre, Japanese: the words of its pages on the sign-in log, and of the report's columns.
	"日付 (utc)": fieldTime, "日付": fieldTime, "要求 id": fieldID, "リクエスト id": fieldID, "関連付け id": fieldCorrelation, "相関 id": fieldCorrelation,
	"ユーザー": fieldUser, "ユーザー id": fieldUserID, "ユーザー名": fieldUserName, "アプリケーション": fieldApplication, "アプリケーション id": fieldApplicationID,
	"状態": fieldStatus, "ステータス": fieldStatus, "サインイン エラー コード": fieldCode, "サインインのエラー コード": fieldCode, "エラーの理由": fieldReason, "失敗の理由": fieldReason,
	"ip アドレス": fieldAddress, "クライアント アプリ": fieldClient, "クライアント": fieldClient, "ユーザー エージェント": fieldUserAgent, "場所": fieldLocation,
	"ホーム テナント id": fieldHomeTenant, "リソース テナント id": fieldTargetTenant, "リソースのテナント id": fieldTargetTenant, "ターゲット テナント id": fieldTargetTenant,
	"サービス プリンシパル名": fieldService, "サービス プリンシパル id": fieldServiceID,
	// Names of Microsoft Graph, as scripts export them.
	"createddatetime": fieldTime, "id": fieldID, "correlationid": fieldCorrelation, "userdisplayname": fieldUser, "userid": fieldUserID,
	"userprincipalname": fieldUserName, "appdisplayname": fieldApplication, "appid": fieldApplicationID, "errorcode": fieldCode,
	"failurereason": fieldReason, "ipaddress": fieldAddress, "clientappused": fieldClient, "useragent": fieldUserAgent, "city": fieldCity,
	"state": fieldState, "country": fieldCountry, "countryorregion": fieldCountry, "hometenantid": fieldHomeTenant, "resourcetenantid": fieldTargetTenant,
	// What WriteCSV writes.
	"date_utc": fieldTime, "request_id": fieldID, "correlation_id": fieldCorrelation, "user_id": fieldUserID, "user_name": fieldUserName,
	"application_id": fieldApplicationID, "code": fieldCode, "reason": fieldReason, "address": fieldAddress, "user_agent": fieldUserAgent,
	"home_tenant": fieldHomeTenant, "target_tenant": fieldTargetTenant,
}

// foldHead is how heads are compared: full-width letters and spaces as ASCII, lower case, white space runs as one.
func foldHead(s string) string {
	s = strings.ToLower(norm.NFKC.String(strings.Trim(s, "\ufeff")))
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "(", " (")), " ")
}

// ReadCSV reads an export; name stands in its errors. UTF-8 with or without a byte order mark, UTF-16 with one, and
// Windows code page 932 are told apart. Columns that are not known are passed over. The error is a *finding.Problem with
// the line of what is wrong; no rows are returned with it.
func ReadCSV(name string, r io.Reader) ([]Row, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxCSVBytes+1))
	if err != nil {
		return nil, finding.Fail("signinlog.unreadable", err, "file", name)
	}
	if len(data) > MaxCSVBytes {
		return nil, finding.Fail("signinlog.too-large", nil, "file", name, "max", strconv.Itoa(MaxCSVBytes>>20))
	}
	text, ok := charset.UTF8(data)
	if !ok {
		return nil, finding.Fail("signinlog.encoding", nil, "file", name)
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.ReuseRecord = true
	in.FieldsPerRecord = -1
	head, err := in.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, finding.Fail("signinlog.empty", nil, "file", name)
	case err != nil:
		return nil, syntax(name, err)
	case len(head) > maxCSVColumns:
		return nil, finding.Fail("signinlog.no-head", nil, "file", name)
	}
	columns := make([]field, len(head))
	var at [fieldCount]int // 1 + the column that fills it
	for i, cell := range head {
		f := heads[foldHead(cell)]
		// The first of two columns counts, but date_utc, or "Date (UTC)", over a date in some zone.
		if f == fieldNone || at[f] != 0 && (f != fieldTime || !strings.Contains(foldHead(cell), "utc")) {
			continue
		}
		if at[f] != 0 {
			columns[at[f]-1] = fieldNone
		}
		columns[i], at[f] = f, i+1
	}
	if at[fieldTime] == 0 {
		return nil, finding.Fail("signinlog.no-head", nil, "file", name)
	}
	// A log of people has a user name, one of applications a service principal; without either it is another table.
	if at[fieldUserName] == 0 && at[fieldUser] == 0 && at[fieldServiceID] == 0 && at[fieldCorrelation] == 0 {
		return nil, finding.Fail("signinlog.no-head", nil, "file", name)
	}
	rows := []Row{}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, syntax(name, err)
		}
		line, _ := in.FieldPos(0)
		if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			continue
		}
		if len(record) != len(columns) {
			return nil, failAt(name, line, finding.New("signinlog.row-cells", finding.Error, finding.Pos{},
				"got", strconv.Itoa(len(record)), "want", strconv.Itoa(len(columns))))
		}
		row, skip, bad := rowOf(record, columns)
		switch {
		case bad != nil:
			return nil, failAt(name, line, *bad)
		case skip:
			continue
		case len(rows) >= maxCSVRows:
			return nil, finding.Fail("signinlog.too-many", nil, "max", strconv.Itoa(maxCSVRows))
		}
		rows = append(rows, row)
	}
}

func failAt(name string, line int, f finding.Finding) error {
	f.Pos = finding.Pos{File: name, Line: line, Column: 1}
	return &finding.Problem{Findings: finding.List{f}}
}

func syntax(name string, err error) error {
	line, said := 1, err.Error()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		line, said = parse.Line, parse.Err.Error()
	}
	return failAt(name, line, finding.New("signinlog.csv-syntax", finding.Error, finding.Pos{}, "said", said))
}

// rowOf reads one line. skip says that it is not of the cloud: a line of the gateway alone that WriteCSV wrote.
func rowOf(record []string, columns []field) (row Row, skip bool, bad *finding.Finding) {
	refuse := func(code, value string) {
		if bad == nil {
			f := finding.New(code, finding.Error, finding.Pos{}, "value", clip(value))
			bad = &f
		}
	}
	var city, state, country, code, status, service, serviceID string
	for i, f := range columns {
		cell := undefuse(strings.TrimSpace(record[i]))
		if len(cell) > maxCell {
			cell = strings.ToValidUTF8(cell[:maxCell], "")
		}
		cell = strings.Clone(cell)
		switch f {
		case fieldTime:
			at, err := parseTime(cell)
			if err != nil {
				refuse("signinlog.date", cell)
			}
			row.Time = at
		case fieldID:
			row.ID = strings.ToLower(cell)
		case fieldCorrelation:
			row.CorrelationID = strings.ToLower(cell)
		case fieldUser:
			row.User = cell
		case fieldUserID:
			row.UserID = strings.ToLower(cell)
		case fieldUserName:
			row.UserName = cell
		case fieldApplication:
			row.Application = cell
		case fieldApplicationID:
			row.ApplicationID = strings.ToLower(cell)
		case fieldStatus:
			status = cell
		case fieldCode:
			code = cell
		case fieldReason:
			row.Reason = reasonOf(cell)
		case fieldAddress:
			row.Address = cell
		case fieldClient:
			row.Client = cell
		case fieldUserAgent:
			row.UserAgent = cell
		case fieldLocation:
			row.Location = cell
		case fieldHomeTenant:
			row.HomeTenant = strings.ToLower(cell)
		case fieldTargetTenant:
			row.TargetTenant = strings.ToLower(cell)
		case fieldCity:
			city = cell
		case fieldState:
			state = cell
		case fieldCountry:
			country = cell
		case fieldService:
			service = cell
		case fieldServiceID:
			serviceID = strings.ToLower(cell)
		}
	}
	if row.Location == "" {
		row.Location = place(city, state, country)
	}
	if row.UserID == "" && row.UserName == "" && serviceID != "" {
		row.User, row.UserID = service, serviceID
	}
	if code != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(code), "AADSTS"), 10, 31)
		if err != nil {
			refuse("signinlog.code", code)
		}
		row.Code = int(n)
	}
	row.Status = statusOf(row.Code)
	if said, ok := statusWords[strings.ToLower(norm.NFKC.String(status))]; ok {
		row.Status = said
	} else if n, err := strconv.ParseUint(status, 10, 31); err == nil && code == "" { // scripts write the code as status
		row.Code, row.Status = int(n), statusOf(int(n))
	}
	if row.Status == Success {
		row.Reason = ""
	}
	return row, code == "" && status == "" && row.UserID == "" && row.UserName == "" && row.ID == "", bad
}

var statusWords = map[string]string{
	"success": Success, "failure": Failure, "interrupted": Interrupted, "成功": Success, "失敗": Failure, "エラー": Failure, "中断": Interrupted,
	"割り込み": Interrupted, "中断されました": Interrupted,
}

// reasonOf drops what the log writes where there is nothing to tell.
func reasonOf(s string) string {
	switch strings.ToLower(s) {
	case "other.", "other", "その他。", "その他":
		return ""
	}
	return s
}

// undefuse takes off the apostrophe that report.Defuse puts before what a spreadsheet would take for a formula.
func undefuse(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && report.Defuse(rest) == s {
		return rest
	}
	return s
}

// place joins what is known of a location.
func place(parts ...string) string {
	var known []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			known = append(known, p)
		}
	}
	return strings.Join(known, ", ")
}

// parseTime reads the forms of the exports. Without a zone it is UTC, which is what their column says. Day and month of
// "3/12/2025" could be either way round: refused.
func parseTime(s string) (time.Time, error) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006/01/02 15:04:05", "2006/1/2 15:04:05", "2006/1/2 15:04"} {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("no date")
}

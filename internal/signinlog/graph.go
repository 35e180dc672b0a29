package signinlog

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sekisho/internal/graph"
)

// pageRows is the maximum page size (Microsoft, "List signIns").
const pageRows = 1000

// Graph reads the sign-in log of one tenant through Microsoft Graph. Client and Credential are required.
type Graph struct {
	Client     *http.Client // its Transport has proxy and roots; redirects are not followed
	Credential graph.Credential
	Base       string // "": the public cloud's
	// Beta asks the beta version: it tells the target tenant and has non-interactive and application sign-ins, too
	// ("signIn resource type", beta). Version 1.0 has interactive sign-ins alone.
	Beta bool
	// Wait waits between tries; nil: until the time is over or ctx ends.
	Wait func(context.Context, time.Duration) error
}

// signIn is the part of Graph's signIn resource that a Row takes.
type signIn struct {
	ID              string `json:"id"`
	CreatedDateTime string `json:"createdDateTime"`
	UserDisplayName string `json:"userDisplayName"`
	UserPrincipal   string `json:"userPrincipalName"`
	UserID          string `json:"userId"`
	AppID           string `json:"appId"`
	AppDisplayName  string `json:"appDisplayName"`
	IPAddress       string `json:"ipAddress"`
	ClientAppUsed   string `json:"clientAppUsed"`
	UserAgent       string `json:"userAgent"`
	CorrelationID   string `json:"correlationId"`
	HomeTenant      string `json:"homeTenantId"`
	ResourceTenant  string `json:"resourceTenantId"`
	ServiceID       string `json:"servicePrincipalId"`
	ServiceName     string `json:"servicePrincipalName"`
	Status          struct {
		ErrorCode     int    `json:"errorCode"`
		FailureReason string `json:"failureReason"`
	} `json:"status"`
	Location struct {
		City    string `json:"city"`
		State   string `json:"state"`
		Country string `json:"countryOrRegion"`
	} `json:"location"`
}

// SignIns returns the rows from since to until (zero: open), newest first, at most limit of them (0: all that the limits
// of this package allow; more says that there were others). The error is a *finding.Problem that says what to grant where
// something is missing, or ctx's.
func (g *Graph) SignIns(ctx context.Context, since, until time.Time, limit int) (rows []Row, more bool, err error) {
	version := "v1.0"
	if g.Beta {
		version = "beta"
	}
	client := &graph.Client{HTTP: g.Client, Credential: g.Credential, Base: g.Base, Wait: g.Wait}
	need := graph.Need{Permission: "AuditLog.Read.All", Role: "Reports Reader"}
	more, err = client.Each(ctx, version+"/auditLogs/signIns?"+query(since, until, limit, g.Beta), need, func(raw json.RawMessage) error {
		row, err := readSignIn(raw)
		if err != nil {
			return err
		}
		if rows = append(rows, row); limit > 0 && len(rows) >= limit {
			return graph.ErrStop
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return rows, more, nil
}

// query asks for a time span, newest first, with the operators that the signIn resource documents for createdDateTime (eq,
// le, ge). Everything else is selected by Filter, so that every source gives the same.
func query(since, until time.Time, limit int, beta bool) string {
	var filters []string
	if !since.IsZero() {
		filters = append(filters, "createdDateTime ge "+since.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if !until.IsZero() {
		filters = append(filters, "createdDateTime le "+until.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if beta {
		filters = append(filters, "signInEventTypes/any(t:t eq 'interactiveUser' or t eq 'nonInteractiveUser' or t eq 'servicePrincipal')")
	}
	q := url.Values{"$orderby": {"createdDateTime desc"}, "$top": {strconv.Itoa(pageRows)}}
	if limit > 0 && limit < pageRows {
		q.Set("$top", strconv.Itoa(limit))
	}
	if len(filters) > 0 {
		q.Set("$filter", strings.Join(filters, " and "))
	}
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

func readSignIn(raw []byte) (Row, error) {
	var s signIn
	if err := json.Unmarshal(raw, &s); err != nil {
		return Row{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, s.CreatedDateTime)
	if err != nil || at.Year() < 1970 || at.Year() >= 2262 {
		return Row{}, fmt.Errorf("createdDateTime %q is not a time", clip(s.CreatedDateTime))
	}
	row := Row{
		ID: strings.ToLower(s.ID), CorrelationID: strings.ToLower(s.CorrelationID), Time: at.UTC(), User: s.UserDisplayName,
		UserID: strings.ToLower(s.UserID), UserName: s.UserPrincipal, Application: s.AppDisplayName, ApplicationID: strings.ToLower(s.AppID),
		Status: statusOf(s.Status.ErrorCode), Code: s.Status.ErrorCode, Reason: reasonOf(s.Status.FailureReason), Address: s.IPAddress,
		Client: s.ClientAppUsed, UserAgent: s.UserAgent, Location: place(s.Location.City, s.Location.State, s.Location.Country),
		HomeTenant: strings.ToLower(s.HomeTenant), TargetTenant: strings.ToLower(s.ResourceTenant),
	}
	if row.UserID == "" && row.UserName == "" && s.ServiceID != "" {
		row.User, row.UserID = s.ServiceName, strings.ToLower(s.ServiceID)
	}
	if row.Status == Success {
		row.Reason = ""
	}
	for _, text := range []*string{&row.ID, &row.CorrelationID, &row.User, &row.UserID, &row.UserName, &row.Application, &row.ApplicationID,
		&row.Reason, &row.Address, &row.Client, &row.UserAgent, &row.Location, &row.HomeTenant, &row.TargetTenant} {
		if len(*text) > maxCell {
			*text = strings.ToValidUTF8((*text)[:maxCell], "")
		}
	}
	return row, nil
}

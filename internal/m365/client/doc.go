// Package client asks the Microsoft 365 endpoints web service, politely, and keeps what it said.
//
//	c := &client.Client{Folder: folder}
//	versions, err := c.Versions(ctx)                      // at most once an hour, however often it is called
//	body, err := c.Endpoints(ctx, m365.China, "2026112300")
//
// The service has three rules for callers ("Office 365 IP Address and URL web service",
// https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service, read 2026-11-23), and the client
// keeps them across processes, because what it needs to know for that stands in its folder: one ClientRequestId for each
// machine, made once at random; /version at most hourly; after 429 nothing until the time that Retry-After names, or
// for an hour when it names none.
//
// A body is taken whole or not at all: an answer that is cut off at any byte, too large, unreadable, or not from the
// host that was asked is an error, and nothing that was kept before is touched. Whether a whole body is also a good one
// (not older, not absurd) is for whoever puts it on the shelf to judge.
//
// The service's Intune rows (service area MEM) are no longer accurate; bodies are fetched whole, and whoever
// reads them passes those rows over.
package client

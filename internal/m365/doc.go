// Package m365 is the Microsoft 365 endpoints web service: it reads what the service says, asks it politely, and
// serves the same service on to a network that cannot reach it.
//
//	list, found := m365.ReadEndpoints("worldwide.json", m365.Worldwide, body)
//	snapshot, found := catalog.Renew("2027-01-04", list.Part(day))
//
// Readers are strict and bounded: a body is at most MaxBody, its nesting, rows, hosts and prefixes are limited, and
// every mistake has its place. What is wrong in a row is repaired only where one meaning is possible (letter case,
// blanks in port lists, "**.", repetitions) and reported; otherwise the row, or the one value, is held: it is reported
// and what was known before stays. A body that is empty, cut off or no list at all is an error and replaces nothing.
//
// The service's Intune rows (service area MEM) are no longer accurate: the Intune page has taken their place ("Network
// endpoints for Microsoft Intune", https://learn.microsoft.com/intune/fundamentals/endpoints, read 2026-11-23). The
// reader says so whenever it meets them, and what is served on under MEM are the rows of that page.
//
// Fields, parameters and limits are those of "Office 365 IP Address and URL web service"
// (https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service, read 2026-11-23).
package m365

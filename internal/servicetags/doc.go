// Package servicetags is the Azure service tags file: which address prefixes belong to which Azure service and region,
// for the public, the government and the China cloud.
//
//	file, found := servicetags.Parse("ServiceTags_Public_20251117.json", data)
//	index := servicetags.NewIndex(file)
//	hits := index.AppendAddr(nil, netip.MustParseAddr("20.190.128.1")) // AzureActiveDirectory, AzureCloud.…, AzureCloud
//
// Parse is strict and bounded, and says of every mistake where it stands. A Store keeps imported files in the data
// folder and never replaces a good one by an empty, truncated, older or absurd one. A Fetcher finds the current file,
// which has no stable address.
//
// The package draws no conclusion from a tag: an address that only AzureCloud holds is in no region (260 prefixes of
// change number 376), and a prefix inside a region may still belong to Front Door. Source: "Azure service tags
// overview", https://learn.microsoft.com/azure/virtual-network/service-tags-overview, read 2026-11-23.
package servicetags

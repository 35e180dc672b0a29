// Package flow is what the policy opens, in the form in which firewalls are told: who may reach which names and addresses
// on which ports, joined, with nothing twice, and what a device cannot be told.
//
//	plan, err := flow.New(in, model, flow.Device{Names: flow.NoNames})
//	for _, f := range plan.Flows { … }
//
// A plan opens exactly what the rows of the model open, or less. A device that knows addresses alone gets those that a row
// lists, its service tags included; one that knows names gets names, and addresses where a row has no name or one that the
// device cannot hold. Whatever is left stands in Plan.Unsaid and is said to the reader, never widened. Prefixes are
// joined, a name below a wildcard that is open on the same ports is dropped, ports and protocols stay as the rows have
// them. Connections from the cloud (provisioning) are flows of their own.
//
// Where a wildcard covers hosts that the policy keeps closed (aliases of the sign-in hosts, retired names), a device that
// decides by name gets them as refusals ahead of the wildcard; see Flow.Tier.
package flow

// Package server is the composition: every address with its guards, the shell
// that each request passes before a feature sees it, and the one place that
// turns errors into answers.
//
// It owns routes, request numbers, security headers, bounds on what is read,
// rate limits, health, the listener with its certificates, and the access log.
// It refuses to own rules of sign-in, of the protocol or of accounts: those
// are the features', which it only connects.
//
// The threat it answers is the stranger on the wire: bodies without end, slow
// connections, forged forwarding headers, requests that another site makes a
// browser send, pages in foreign frames, and floods.
package server

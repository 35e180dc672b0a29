// Package house holds the rules of the house as tests: who may import whom, and how a room must look. It has no code
// of its own.
package house

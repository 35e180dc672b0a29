package lab

import (
	"sync/atomic"
	"testing"
	"time"
)

// clock is a clock that a test moves while the lab reads it.
type clock struct{ ahead atomic.Int64 }

func clockAt(testing.TB) *clock { return &clock{} }

func (c *clock) time() time.Time      { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

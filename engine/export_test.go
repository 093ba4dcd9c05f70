package engine

// SettleCache waits until everything that was to be remembered is, or is not.
func (s *Snapshot) SettleCache() { s.memory.cache.Settle() }

package engine

// SettleCache waits until everything that was to be remembered is, or is not.
func (s *Snapshot) SettleCache() { s.memory.cache.Settle() }

// SharesModules says whether two snapshots have read a module once for both.
func (s *Snapshot) SharesModules(other *Snapshot) bool {
	for key, info := range s.modules {
		if other.modules[key] == info {
			return true
		}
	}
	return false
}

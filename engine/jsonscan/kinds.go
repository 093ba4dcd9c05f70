package jsonscan

// Kinds is a set of kinds. The zero Kinds is empty.
type Kinds uint8

// AllKinds holds every kind that a value can have.
const AllKinds = Kinds(1<<Null | 1<<False | 1<<True | 1<<Number | 1<<String | 1<<Array | 1<<Object)

// KindsOf returns the set of the kinds given. Invalid is in no set.
func KindsOf(kinds ...Kind) Kinds {
	var set Kinds
	for _, k := range kinds {
		set |= 1 << k
	}
	return set & AllKinds
}

// Has says whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&KindsOf(k) != 0 }

package follow

// Verification says how much of a log is checked against its signed tree heads.
type Verification string

// The degrees of verification; the zero value is VerifyFull.
const (
	// VerifyOff checks signatures of tree heads, and that the newest size has one root.
	VerifyOff Verification = "off"
	// VerifyConsistency asks the log to prove that each tree head continues the one before. Entries are not hashed.
	VerifyConsistency Verification = "consistency"
	// VerifyFull also hashes every entry and compares the root at each tree head.
	VerifyFull Verification = "full"
)

// verification is fixed for a follower's life: a log whose degree is changed is opened anew.
func (f *follower) verification() Verification { return or(f.spec.Load().Verification, VerifyFull) }

// unsigned says that whatever agrees agrees only with tree heads that anybody may have made.
func (f *follower) unsigned() bool { return f.spec.Load().Unsigned && f.verification() != VerifyOff }

// noKey is why an unsigned log is unverified.
const noKey = "the log has no key (custom_logs[].key): nothing shows that its tree heads are its own"

func (f *follower) full() bool { return f.verification() == VerifyFull }

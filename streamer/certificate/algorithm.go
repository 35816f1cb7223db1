package certificate

const unknownAlgorithm = "unknown"

// signatureText names an AlgorithmIdentifier, given its contents, in the words of messages.
func signatureText(b []byte) string {
	tag, oid, parameters, ok := cut(b)
	if !ok || tag != tagOID {
		return unknownAlgorithm
	}
	switch string(oid) {
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": // 1.2.840.113549.1.1.11
		return "sha256, rsa"
	case "\x2a\x86\x48\xce\x3d\x04\x03\x02": // 1.2.840.10045.4.3.2
		return "ecdsa, sha256"
	case "\x2a\x86\x48\xce\x3d\x04\x03\x03":
		return "ecdsa, sha384"
	case "\x2a\x86\x48\xce\x3d\x04\x03\x04":
		return "ecdsa, sha512"
	case "\x2a\x86\x48\xce\x3d\x04\x03\x01":
		return "ecdsa, sha224"
	case "\x2a\x86\x48\xce\x3d\x04\x01":
		return "ecdsa, sha1"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c":
		return "sha384, rsa"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d":
		return "sha512, rsa"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e":
		return "sha224, rsa"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a":
		return pssText(parameters)
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "\x2b\x0e\x03\x02\x1d": // PKCS #1's and ISO's (1.3.14.3.2.29)
		return "sha1, rsa"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04":
		return "md5, rsa"
	case "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02":
		return "md2, rsa"
	case "\x2a\x86\x48\xce\x38\x04\x03": // 1.2.840.10040.4.3
		return "dsa, sha1"
	case "\x60\x86\x48\x01\x65\x03\x04\x03\x01": // 2.16.840.1.101.3.4.3.1
		return "dsa, sha224"
	case "\x60\x86\x48\x01\x65\x03\x04\x03\x02":
		return "dsa, sha256"
	case "\x2b\x65\x70": // 1.3.101.112
		return "ed25519"
	case "\x2b\x65\x71":
		return "ed448"
	}
	return unknownAlgorithm
}

// pssText names RSASSA-PSS by its hash (RFC 4055 §3.1): the parameters' first field, SHA-1 when it is absent.
func pssText(parameters []byte) string {
	fields, _, ok := sequence(parameters)
	if !ok {
		return "sha1, rsa-pss"
	}
	tag, hash, _, ok := cut(fields)
	if !ok || tag != tagContext0 {
		return "sha1, rsa-pss"
	}
	hash, _, _ = sequence(hash)
	_, oid, _, _ := cut(hash)
	switch string(oid) {
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x01": // 2.16.840.1.101.3.4.2.1
		return "sha256, rsa-pss"
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x02":
		return "sha384, rsa-pss"
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x03":
		return "sha512, rsa-pss"
	case "\x2b\x0e\x03\x02\x1a": // 1.3.14.3.2.26
		return "sha1, rsa-pss"
	}
	return unknownAlgorithm
}

// The modules whose test data the demo streams. Nothing of them is compiled: the program beside this file reads their
// files. go.sum pins their content.
module github.com/certstream-operator/certstream-operator/hack/corpus

go 1.26.0

require (
	github.com/google/certificate-transparency-go v1.4.0
	github.com/transparency-dev/tesseract v0.1.2
	github.com/zmap/zcrypto v0.0.0-20260725024403-2c658ce3c66f
	github.com/zmap/zlint/v3 v3.7.3
)

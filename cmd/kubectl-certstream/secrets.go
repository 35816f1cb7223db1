package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// token is what to show to the stream: the one given, or the first that can be read from the Secrets of spec.auth.
func (c *cluster) token(ctx context.Context, cs *v1alpha1.CertStream, given string, errs io.Writer) (string, error) {
	if cs.Spec.Auth == nil || given != "" {
		return given, nil
	}
	var failures []error
	for _, source := range cs.Spec.Auth.Tokens {
		var secret corev1.Secret
		if err := c.Get(ctx, c.key(source.SecretName), &secret); err != nil {
			failures = append(failures, err)
			continue
		}
		key, token := tokenIn(&secret, source.Key)
		if token == "" {
			failures = append(failures, fmt.Errorf("no token in Secret %s", source.SecretName))
			continue
		}
		fmt.Fprintf(errs, "kubectl certstream tail: using the token %s of Secret %s/%s\n", cmp.Or(source.Name, key), c.namespace, source.SecretName)
		return token, nil
	}
	return "", fmt.Errorf("CertStream %s wants a token: give --token or CERTSTREAM_TOKEN (%w)", cs.Name, errors.Join(failures...))
}

// tokenIn is the token of a key, or of the first key that has one.
func tokenIn(secret *corev1.Secret, key string) (name, token string) {
	keys := []string{key}
	if key == "" {
		keys = slices.Sorted(maps.Keys(secret.Data))
	}
	for _, key := range keys {
		if token := strings.TrimSpace(string(secret.Data[key])); token != "" {
			return key, token
		}
	}
	return "", ""
}

// verification checks the stream's certificate: it is the one in the CertStream's Secret, or it is valid for a name of the
// stream and signed by a root that is trusted. Given roots, those of --ca, replace the machine's.
func (c *cluster) verification(
	ctx context.Context, cs *v1alpha1.CertStream, given *tls.Config, giveUp context.CancelCauseFunc, errs io.Writer,
) *tls.Config {
	v := verifier{names: streamNames(cs)}
	if given != nil {
		v.roots = given.RootCAs
	}
	var secret corev1.Secret
	if err := c.Get(ctx, c.key(build.TLSSecretName(cs)), &secret); err == nil {
		v.trust(&secret)
	} else if v.roots == nil {
		fmt.Fprintf(errs, "kubectl certstream tail: the stream's certificate must be one that this machine trusts: %v\n", err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it, for more than one name
		VerifyConnection: func(state tls.ConnectionState) error {
			err := v.verify(state.PeerCertificates)
			if err != nil {
				err = fmt.Errorf("the stream's certificate: %w (--ca FILE trusts another root, --insecure any certificate)", err)
				giveUp(err)
			}
			return err
		},
	}
}

// streamNames are the names under which a stream's certificate may be valid.
func streamNames(cs *v1alpha1.CertStream) []string {
	service := build.Name(cs)
	names := []string{
		service + "." + cs.Namespace + ".svc", service + "." + cs.Namespace + ".svc.cluster.local", service + "." + cs.Namespace, service,
	}
	if cs.Spec.TLS != nil {
		names = append(names, cs.Spec.TLS.DNSNames...)
	}
	if cs.Spec.Ingress != nil {
		names = append(names, cs.Spec.Ingress.Hosts...)
	}
	if cs.Spec.Gateway != nil {
		names = append(names, cs.Spec.Gateway.Hostnames...)
	}
	return names
}

// verifier knows what a stream's certificate may be.
type verifier struct {
	names []string
	roots *x509.CertPool // nil means the machine's
	known []byte         // the certificate in the Secret
}

// trust adds what a Secret of type kubernetes.io/tls says.
func (v *verifier) trust(secret *corev1.Secret) {
	if block, _ := pem.Decode(secret.Data[corev1.TLSCertKey]); block != nil {
		v.known = block.Bytes
	}
	if ca := secret.Data[corev1.ServiceAccountRootCAKey]; v.roots == nil && len(ca) > 0 {
		v.roots = x509.NewCertPool()
		v.roots.AppendCertsFromPEM(ca)
	}
}

func (v *verifier) verify(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("there is none")
	}
	if v.known != nil && bytes.Equal(chain[0].Raw, v.known) {
		return nil
	}
	o := x509.VerifyOptions{Roots: v.roots, Intermediates: x509.NewCertPool()}
	for _, intermediate := range chain[1:] {
		o.Intermediates.AddCert(intermediate)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return err
	}
	for _, name := range v.names {
		if chain[0].VerifyHostname(name) == nil {
			return nil
		}
	}
	return fmt.Errorf("it is valid for none of %s", strings.Join(v.names, ", "))
}

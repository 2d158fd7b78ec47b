package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Statement is the part of an attestation object beside authenticator data.
type Statement struct {
	Format string
	Fields map[string]any
}

// chain is a root and one attestation certificate under it.
type chain struct {
	root *x509.Certificate
	leaf []byte
	key  *ecdsa.PrivateKey
}

// attestationObject wraps authenticator data into an attestation object
// (WebAuthn section 6.5.4).
func (a *Authenticator) attestationObject(c *Credential, authData, clientDataJSON []byte) ([]byte, error) {
	s, err := a.statement(c, authData, clientDataJSON)
	if err != nil {
		return nil, err
	}
	if a.Bend.Statement != nil {
		a.Bend.Statement(&s)
	}
	out, err := encodeCBOR(map[string]any{"fmt": s.Format, "attStmt": s.Fields, "authData": authData})
	if err != nil {
		return nil, err
	}
	if a.Bend.AttestationObject != nil {
		out = a.Bend.AttestationObject(out)
	}
	return out, nil
}

func (a *Authenticator) statement(c *Credential, authData, clientDataJSON []byte) (Statement, error) {
	hash := sha256.Sum256(clientDataJSON)
	message := slices.Concat(authData, hash[:])
	switch a.Attestation {
	case AttestSelf:
		signature, err := Sign(a.signer(c), c.Algorithm, message)
		if err != nil {
			return Statement{}, fmt.Errorf("self attestation: %w", err)
		}
		return Statement{"packed", map[string]any{"alg": c.Algorithm, "sig": signature}}, nil
	case AttestFull:
		chain, err := a.attestationChain()
		if err != nil {
			return Statement{}, err
		}
		signature, err := Sign(chain.key, ES256, message)
		if err != nil {
			return Statement{}, fmt.Errorf("full attestation: %w", err)
		}
		return Statement{"packed", map[string]any{"alg": ES256, "sig": signature, "x5c": [][]byte{chain.leaf}}}, nil
	}
	return Statement{"none", map[string]any{}}, nil
}

// attestationChain makes root and attestation certificate at first use. The
// certificate names the AAGUID that the device has at that moment.
func (a *Authenticator) attestationChain() (*chain, error) {
	if a.chain != nil {
		return a.chain, nil
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("attestation root key: %w", err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{Country: []string{"AQ"}, Organization: []string{"Software authenticator"}, CommonName: "Test attestation root"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if root, _, err = issue(root, root, &rootKey.PublicKey, rootKey); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	aaguid, err := asn1.Marshal(a.AAGUID[:])
	if err != nil {
		return nil, fmt.Errorf("aaguid extension: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject: pkix.Name{Country: []string{"AQ"}, Organization: []string{"Software authenticator"},
			OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Test attestation"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, BasicConstraintsValid: true,
		// id-fido-gen-ce-aaguid (WebAuthn section 8.2.1)
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: aaguid}},
	}
	_, raw, err := issue(leaf, root, &key.PublicKey, rootKey)
	if err != nil {
		return nil, err
	}
	a.chain = &chain{root: root, leaf: raw, key: key}
	return a.chain, nil
}

func issue(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, []byte, error) {
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue attestation certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("read attestation certificate: %w", err)
	}
	return cert, raw, nil
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
)

// pair is a folder with tls.crt, tls.key and ca.crt, as a Secret of certificates is mounted.
//
// It is read anew for each handshake, so what the kubelet brings is used without a restart.
type pair string

// config has both sides show a certificate, and take what ca.crt signed.
func (folder pair) config() (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(string(folder), "tls.crt"), filepath.Join(string(folder), "tls.key"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(string(folder), "ca.crt"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own},
		RootCAs:      trusted,
		ClientCAs:    trusted,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}

// serve answers over HTTPS.
func (folder pair) serve(address string) error {
	server := http.Server{
		Addr:    address,
		Handler: http.HandlerFunc(answer),
		TLSConfig: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return folder.config()
		}},
	}
	return server.ListenAndServeTLS("", "")
}

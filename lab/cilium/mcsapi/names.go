// Package controllers stands in for the module of that path, which no longer resolves: Cilium takes one name from it.
//
// It controls nothing.
package controllers

// DerivedServiceAnnotation is set on a ServiceImport and names the Service that was derived from it.
const DerivedServiceAnnotation = "multicluster.kubernetes.io/derived-service"

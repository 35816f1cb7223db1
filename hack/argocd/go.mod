module github.com/certstream-operator/certstream-operator/hack/argocd

go 1.26.0

require github.com/yuin/gopher-lua v1.1.2

package main

import (
	"context"
	"fmt"
	"sync"

	"dubbo.apache.org/dubbo-go/v3/common/extension"
	"dubbo.apache.org/dubbo-go/v3/filter"
	"dubbo.apache.org/dubbo-go/v3/protocol/base"
	"dubbo.apache.org/dubbo-go/v3/protocol/result"
)

type contextKey string

const (
	sentKey = contextKey("attachments to send")
	seenKey = contextKey("attachments seen")
)

var counts = struct {
	sync.Mutex
	byMethod map[string]int
}{byMethod: map[string]int{}}

// exchange carries attachments in and out of a consumer's call, which CallUnary itself does not.
type exchange struct {
	send     map[string]string
	returned map[string]any
}

// consumerFilter copies attachments between an exchange in the context and the call.
type consumerFilter struct{}

func (consumerFilter) Invoke(ctx context.Context, invoker base.Invoker, inv base.Invocation) result.Result {
	call, found := ctx.Value(sentKey).(*exchange)
	if !found {
		return invoker.Invoke(ctx, inv)
	}
	for key, value := range call.send {
		inv.SetAttachment(key, value)
	}
	res := invoker.Invoke(ctx, inv)
	call.returned = res.Attachments()
	return res
}

func (consumerFilter) OnResponse(_ context.Context, res result.Result, _ base.Invoker, _ base.Invocation) result.Result {
	return res
}

// providerFilter counts what arrives and shows the handler the attachments as they arrived.
type providerFilter struct{}

func (providerFilter) Invoke(ctx context.Context, invoker base.Invoker, inv base.Invocation) result.Result {
	counts.Lock()
	counts.byMethod[inv.MethodName()]++
	counts.Unlock()
	seen := map[any]any{}
	for key, value := range inv.Attachments() {
		// In Triple each is a list, as headers are.
		if many, ok := value.([]string); ok && len(many) == 1 {
			value = many[0]
		}
		seen[key] = fmt.Sprint(value)
	}
	return invoker.Invoke(context.WithValue(ctx, seenKey, seen), inv)
}

func (providerFilter) OnResponse(_ context.Context, res result.Result, _ base.Invoker, _ base.Invocation) result.Result {
	return res
}

func registerWireFilter() {
	extension.SetFilter("wire-consumer", func() filter.Filter { return consumerFilter{} })
	extension.SetFilter("wire-provider", func() filter.Filter { return providerFilter{} })
}

func arrived() map[string]int {
	counts.Lock()
	defer counts.Unlock()
	copied := map[string]int{}
	for method, count := range counts.byMethod {
		copied[method] = count
	}
	return copied
}

package main

import (
	"context"
	"reflect"

	"dubbo.apache.org/dubbo-go/v3/client"
	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
)

// tripleInfo describes the service for Triple with the methods' Java names: dubbo-go's own
// reflection takes Go's there, which no Java consumer calls.
func tripleInfo(user *UserService) *common.ServiceInfo {
	info := &common.ServiceInfo{InterfaceName: service, ServiceType: user}
	for name, java := range (MappedService{user}).MethodMapper() {
		method := reflect.ValueOf(user).MethodByName(name)
		info.Methods = append(info.Methods, common.MethodInfo{
			Name:        java,
			Type:        constant.CallUnary,
			ReqInitFunc: func() any { return parameters(method.Type()) },
			MethodFunc: func(ctx context.Context, arguments []any, _ any) (any, error) {
				return call(method, ctx, arguments)
			},
		})
	}
	return info
}

// tripleClient names the methods that are called, each of which has a client of its own in dubbo-go.
func tripleClient() *client.ClientInfo {
	info := &client.ClientInfo{InterfaceName: service}
	for _, java := range (MappedService{}).MethodMapper() {
		info.MethodNames = append(info.MethodNames, java)
	}
	return info
}

// parameters makes a place for each argument but the context.
func parameters(method reflect.Type) []any {
	places := []any{}
	for at := 1; at < method.NumIn(); at++ {
		places = append(places, reflect.New(method.In(at)).Interface())
	}
	return places
}

func call(method reflect.Value, ctx context.Context, arguments []any) (any, error) {
	given := []reflect.Value{reflect.ValueOf(ctx)}
	for _, argument := range arguments {
		given = append(given, reflect.ValueOf(argument))
	}
	returned := method.Call(given)
	err, _ := returned[len(returned)-1].Interface().(error)
	if len(returned) == 1 {
		return nil, err
	}
	return returned[0].Interface(), err
}

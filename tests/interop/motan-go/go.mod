module sabir.test/motan-go

go 1.24

require github.com/weibocom/motan-go v1.2.0

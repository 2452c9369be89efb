package main

// Address is the inner half of a nested value.
type Address struct {
	City string
	Zip  int32
}

// JavaClassName names the class that Hessian2 writes.
func (*Address) JavaClassName() string { return "org.sabir.demo.Address" }

// User has every field kind that Hessian2 encodes in a form of its own.
type User struct {
	Id      int64
	Name    string
	Score   float64
	Active  bool
	Tags    []string
	Address *Address
}

// JavaClassName names the class that Hessian2 writes.
func (*User) JavaClassName() string { return "org.sabir.demo.User" }

func newUser(id int64, name string) *User {
	return &User{Id: id, Name: name, Score: float64(id) / 4, Active: id%2 == 0, Tags: []string{"a tag"}}
}

// UserNotFoundException is the service's own checked exception.
type UserNotFoundException struct {
	SerialVersionUID     int64
	DetailMessage        string
	SuppressedExceptions []any
	StackTrace           []any
	Cause                error
	UserId               int32
}

// JavaClassName names the class that Hessian2 writes.
func (*UserNotFoundException) JavaClassName() string { return "org.sabir.demo.UserNotFoundException" }

// Error makes it an error for both sides.
func (e UserNotFoundException) Error() string { return e.DetailMessage }

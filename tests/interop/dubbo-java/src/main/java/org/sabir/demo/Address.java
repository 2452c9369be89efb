package org.sabir.demo;

import java.io.Serializable;

/** The inner half of a nested value. */
public class Address implements Serializable {
    private static final long serialVersionUID = 1L;

    private String city;
    private int zip;

    public Address() {}

    public Address(String city, int zip) {
        this.city = city;
        this.zip = zip;
    }

    public String getCity() {
        return city;
    }

    public void setCity(String city) {
        this.city = city;
    }

    public int getZip() {
        return zip;
    }

    public void setZip(int zip) {
        this.zip = zip;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Address a && a.zip == zip && java.util.Objects.equals(a.city, city);
    }

    @Override
    public int hashCode() {
        return java.util.Objects.hash(city, zip);
    }

    @Override
    public String toString() {
        return city + "/" + zip;
    }
}

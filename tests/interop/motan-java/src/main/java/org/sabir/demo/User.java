package org.sabir.demo;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** A plain value: every field kind that a serialization encodes in a form of its own. */
public class User implements Serializable {
    private static final long serialVersionUID = 1L;

    private long id;
    private String name;
    private double score;
    private boolean active;
    private List<String> tags = new ArrayList<>();

    public User() {}

    public User(long id, String name) {
        this.id = id;
        this.name = name;
        this.score = id / 4.0;
        this.active = id % 2 == 0;
        this.tags.add("tag-" + id);
    }

    public long getId() {
        return id;
    }

    public void setId(long id) {
        this.id = id;
    }

    public String getName() {
        return name;
    }

    public void setName(String name) {
        this.name = name;
    }

    public double getScore() {
        return score;
    }

    public void setScore(double score) {
        this.score = score;
    }

    public boolean isActive() {
        return active;
    }

    public void setActive(boolean active) {
        this.active = active;
    }

    public List<String> getTags() {
        return tags;
    }

    public void setTags(List<String> tags) {
        this.tags = tags;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof User u
                && u.id == id
                && u.score == score
                && u.active == active
                && Objects.equals(u.name, name)
                && Objects.equals(u.tags, tags);
    }

    @Override
    public int hashCode() {
        return Objects.hash(id, name, score, active, tags);
    }

    @Override
    public String toString() {
        return "User(" + id + " " + name + " " + score + " " + active + " " + tags + ")";
    }
}

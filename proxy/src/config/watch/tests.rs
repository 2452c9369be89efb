//! Files replaced in every way that is known to be used.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{TempDir, tempdir};
use tokio::time::timeout;

use super::FileWatch;

/// A file with the content `old`, and the watch of it.
fn watched() -> (TempDir, PathBuf, FileWatch) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sabir.yaml");
    fs::write(&path, "old").unwrap();
    let watch = FileWatch::start(&path, b"old").unwrap();
    (folder, path, watch)
}

/// Puts a new file in the place of `path`, as one does who wants nobody to read half of it.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// The next content that is reported.
async fn next(watch: &mut FileWatch) -> String {
    let changed = timeout(Duration::from_secs(30), watch.changed()).await;
    let content = changed.expect("a change is seen").expect("the watch lives");
    String::from_utf8(content.to_vec()).unwrap()
}

#[tokio::test]
async fn a_file_written_in_place() {
    let (_folder, path, mut watch) = watched();
    for content in ["one", "two"] {
        fs::write(&path, content).unwrap();
        assert_eq!(next(&mut watch).await, content);
    }
}

#[tokio::test]
async fn a_file_put_in_place_of_the_old_one() {
    let (_folder, path, mut watch) = watched();
    for content in ["one", "two"] {
        replace(&path, content);
        assert_eq!(next(&mut watch).await, content);
    }
}

#[tokio::test]
async fn an_editor_that_keeps_the_old_file_under_another_name() {
    let (_folder, path, mut watch) = watched();
    for content in ["one", "two"] {
        fs::rename(&path, path.with_extension("yaml~")).unwrap();
        fs::write(&path, content).unwrap();
        assert_eq!(next(&mut watch).await, content);
    }
}

#[tokio::test]
async fn a_file_that_is_gone_for_a_while() {
    let (_folder, path, mut watch) = watched();
    for content in ["one", "two"] {
        fs::remove_file(&path).unwrap();
        fs::write(&path, content).unwrap();
        assert_eq!(next(&mut watch).await, content);
    }
}

#[tokio::test]
async fn a_directory_that_is_gone_for_a_while() {
    let folder = tempdir().unwrap();
    let parent = folder.path().join("etc/sabir");
    let path = parent.join("sabir.yaml");
    fs::create_dir_all(&parent).unwrap();
    fs::write(&path, "old").unwrap();
    let mut watch = FileWatch::start(&path, b"old").unwrap();
    for content in ["one", "two"] {
        fs::remove_dir_all(folder.path().join("etc")).unwrap();
        fs::create_dir_all(&parent).unwrap();
        fs::write(&path, content).unwrap();
        assert_eq!(next(&mut watch).await, content);
    }
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::create_dir(&new).unwrap();
    fs::write(new.join("sabir.yaml"), "three").unwrap();
    fs::rename(&parent, old).unwrap();
    fs::rename(new, &parent).unwrap();
    assert_eq!(next(&mut watch).await, "three");
    fs::write(&path, "four").unwrap();
    assert_eq!(next(&mut watch).await, "four");
}

#[tokio::test]
async fn a_file_that_was_not_there_at_first() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sabir.yaml");
    let mut watch = FileWatch::start(&path, b"old").unwrap();
    fs::write(&path, "one").unwrap();
    assert_eq!(next(&mut watch).await, "one");
}

#[tokio::test]
async fn a_change_before_the_watch_began() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sabir.yaml");
    fs::write(&path, "one").unwrap();
    let mut watch = FileWatch::start(&path, b"old").unwrap();
    assert_eq!(next(&mut watch).await, "one");
}

/// `sabir.yaml -> ..data/sabir.yaml`, `..data -> ..1/`: an update puts another link in place of
/// `..data`, and removes the old folder.
#[tokio::test]
async fn a_config_map() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, content: &str| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("sabir.yaml"), content).unwrap();
        symlink(name, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    version("..1", "old");
    let path = at("sabir.yaml");
    symlink("..data/sabir.yaml", &path).unwrap();
    let mut watch = FileWatch::start(&path, b"old").unwrap();
    for (before, name, content) in [("..1", "..2", "one"), ("..2", "..3", "two")] {
        version(name, content);
        fs::remove_dir_all(at(before)).unwrap();
        assert_eq!(next(&mut watch).await, content);
    }
}

#[tokio::test]
async fn a_link_to_the_directory_and_one_to_that() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for version in ["v1", "v2"] {
        fs::create_dir_all(at("mnt").join(version)).unwrap();
        fs::write(at("mnt").join(version).join("sabir.yaml"), version).unwrap();
    }
    fs::create_dir(at("links")).unwrap();
    symlink("../mnt/v1", at("links/current")).unwrap();
    symlink(at("links/current"), at("etc")).unwrap();
    let mut watch = FileWatch::start(&at("etc/sabir.yaml"), b"v1").unwrap();
    symlink("../mnt/v2", at("links/new")).unwrap();
    fs::rename(at("links/new"), at("links/current")).unwrap();
    assert_eq!(next(&mut watch).await, "v2");
    replace(&at("mnt/v2/sabir.yaml"), "v2.1");
    assert_eq!(next(&mut watch).await, "v2.1");
    fs::remove_file(at("etc")).unwrap();
    symlink(at("mnt/v1"), at("etc")).unwrap();
    assert_eq!(next(&mut watch).await, "v1");
}

#[tokio::test]
async fn a_link_that_leads_nowhere_for_a_while() {
    let (_folder, path, mut watch) = watched();
    for target in [path.as_path(), Path::new("missing")] {
        fs::remove_file(&path).unwrap();
        symlink(target, &path).unwrap();
    }
    fs::write(path.with_file_name("missing"), "one").unwrap();
    assert_eq!(next(&mut watch).await, "one");
}

#[tokio::test]
async fn without_a_change_of_the_content_nothing_is_reported() {
    let (_folder, path, mut watch) = watched();
    let touched = fs::File::open(&path).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    replace(&path, "old");
    fs::remove_file(&path).unwrap();
    // Nothing says that there is no report: a few times as long as one takes has to do.
    let mut waiting = std::pin::pin!(watch.changed());
    let early = timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    replace(&path, "one");
    let changed = timeout(Duration::from_secs(30), waiting).await.unwrap();
    assert_eq!(changed.as_deref(), Some(&b"one"[..]));
}

#[tokio::test]
async fn only_the_newest_content_is_reported() {
    let (_folder, path, mut watch) = watched();
    for number in 0..50 {
        replace(&path, &number.to_string());
    }
    // Some of those before may be seen, if the machine is slow.
    while next(&mut watch).await != "49" {}
}

#[test]
fn a_path_that_is_none() {
    assert!(FileWatch::start(Path::new(""), b"").is_err());
}

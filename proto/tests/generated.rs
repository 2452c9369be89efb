//! The committed generated code is what the schema generates.
//!
//! Committing it keeps the compiler of the schema out of every build. After a
//! change of the schema: `UPDATE=1 cargo test -p sabir-proto --test generated`.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

const FILES: [&str; 9] = [
    "sabir/config/v1/access_log.proto",
    "sabir/config/v1/bootstrap.proto",
    "sabir/config/v1/cluster.proto",
    "sabir/config/v1/filter.proto",
    "sabir/config/v1/listener.proto",
    "sabir/config/v1/load_balancing.proto",
    "sabir/config/v1/matcher.proto",
    "sabir/config/v1/outlier_detection.proto",
    "sabir/config/v1/route.proto",
];

#[test]
fn generated_code_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    fs::create_dir_all(&out).unwrap();
    generate(root, &out);
    for name in ["sabir.config.v1.rs", "sabir.config.v1.binpb"] {
        let fresh = fs::read(out.join(name)).unwrap();
        let committed = root.join("src/generated").join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&committed, &fresh).unwrap();
        }
        assert!(
            fs::read(&committed).unwrap_or_default() == fresh,
            "src/generated/{name} is not what the schema generates; run \
             `UPDATE=1 cargo test -p sabir-proto --test generated` and commit the result"
        );
    }
}

#[test]
fn every_schema_file_is_compiled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sabir/config/v1");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("sabir/config/v1/{}", entry.unwrap().file_name().display()))
        .collect();
    names.sort();
    assert_eq!(names, FILES);
}

fn generate(root: &Path, out: &Path) {
    let mut files = protox::compile(FILES, [root]).expect("the schema compiles");
    prost_build::Config::new()
        .out_dir(out)
        .btree_map(["."])
        // Few routes have one, and it is longer than all the rest.
        .boxed(".sabir.config.v1.RouteAction.retry_policy")
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .compile_fds(files.clone())
        .expect("the code is written");
    // Comments and positions are in the Rust code; nobody reads them at run time.
    for file in &mut files.file {
        file.source_code_info = None;
    }
    fs::write(out.join("sabir.config.v1.binpb"), files.encode_to_vec())
        .expect("the descriptors are written");
}

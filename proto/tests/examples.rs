//! The examples, and what they say about the schema.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions, Value};
use sabir_proto::config::v1::{Bootstrap, listener::RouteSpecifier, route::Action};
use sabir_proto::{descriptor, json, yaml};

const MINIMAL: &str = include_str!("../examples/minimal.yaml");
const FULL: &str = include_str!("../examples/full.yaml");

fn parse(text: &str) -> Bootstrap {
    match yaml::parse("example.yaml", text.as_bytes()) {
        Ok((bootstrap, _)) => bootstrap,
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn the_minimal_example_is_read() {
    let bootstrap = parse(MINIMAL);
    let Some(RouteSpecifier::RouteConfiguration(table)) = &bootstrap.listeners[0].route_specifier
    else {
        panic!("the routes are inline");
    };
    assert!(matches!(table.routes[0].action, Some(Action::Route(_))));
    let endpoints = bootstrap.clusters[0]
        .load_assignment
        .as_ref()
        .expect("endpoints");
    assert_eq!(endpoints.endpoints[0].address, "127.0.0.1:20881");
}

#[test]
fn the_full_example_uses_every_field() {
    let bootstrap = parse(FULL);
    let descriptor = descriptor::of::<Bootstrap>().expect("of the schema");
    let message =
        DynamicMessage::decode(descriptor, bootstrap.encode_to_vec().as_slice()).expect("decodes");
    let mut used = BTreeSet::new();
    collect(&message, &mut used);
    let missing: Vec<String> = schema_messages()
        .flat_map(|message| message.fields().collect::<Vec<_>>())
        .map(|field| field.full_name().to_owned())
        .filter(|name| !used.contains(name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn examples_survive_json_and_back() {
    for text in [MINIMAL, FULL] {
        let bootstrap = parse(text);
        let json = json::to_json(&bootstrap).expect("has a JSON form");
        // JSON is YAML.
        assert_eq!(parse(&json.to_string()), bootstrap);
        assert_eq!(parse(&format!("{json:#}")), bootstrap);
    }
}

#[test]
fn json_is_canonical() {
    let bootstrap = parse(
        "{drain_timeout: 1.50s, listeners: [{protocol_options: {b: 1, a: [x, null]}}], clusters: [{lb_policy: ROUND_ROBIN, circuit_breakers: {max_pending_requests: 0}}]}",
    );
    assert_eq!(
        json::to_json(&bootstrap)
            .expect("has a JSON form")
            .to_string(),
        r#"{"clusters":[{"circuit_breakers":{"max_pending_requests":0}}],"drain_timeout":"1.500s","listeners":[{"protocol_options":{"a":["x",null],"b":1.0}}]}"#
    );
}

/// As protobuf's reflection writes it.
fn reference(bootstrap: &Bootstrap) -> serde_json::Value {
    let descriptor = descriptor::of::<Bootstrap>().expect("of the schema");
    let wire = bootstrap.encode_to_vec();
    let message = DynamicMessage::decode(descriptor, wire.as_slice()).expect("decodes");
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(true);
    let json = message.serialize_with_options(serde_json::value::Serializer, &options);
    json.expect("has a JSON form")
}

#[test]
fn large_messages_are_written_in_pieces_as_at_once() {
    let long = "x".repeat(10_000);
    let mut bootstrap = parse(FULL);
    assert_eq!(json::to_json(&bootstrap).unwrap(), reference(&bootstrap));
    bootstrap.node.get_or_insert_default().id = long.clone();
    for listener in &mut bootstrap.listeners {
        listener.name = long.clone();
        for filter in &mut listener.filters {
            filter.name = long.clone();
        }
        if let Some(RouteSpecifier::RouteConfiguration(table)) = &mut listener.route_specifier {
            table.name = long.clone();
        }
    }
    for route in &mut bootstrap
        .route_configurations
        .iter_mut()
        .flat_map(|t| &mut t.routes)
    {
        route.name = long.clone();
        if let Some(Action::Route(forward)) = &mut route.action {
            forward.metadata_match.insert("long".into(), long.clone());
        }
        if let Some(mutation) = &mut route.request_mutation {
            mutation.remove.push(long.clone());
        }
    }
    for cluster in &mut bootstrap.clusters {
        cluster.name = long.clone();
        let assignment = cluster.load_assignment.iter_mut();
        for endpoint in assignment.flat_map(|assignment| &mut assignment.endpoints) {
            endpoint.address = long.clone();
        }
    }
    let wanted = reference(&bootstrap);
    assert_eq!(json::to_json(&bootstrap).unwrap(), wanted);
    let document = json::Document::new(&bootstrap).unwrap();
    let text = serde_json::to_string_pretty(&document).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        wanted
    );
}

#[test]
fn json_has_no_form_for_what_is_not_of_the_schema_or_not_a_number() {
    let foreign = json::to_json(&());
    assert!(
        matches!(foreign, Err(json::Error::NotInSchema { .. })),
        "{foreign:?}"
    );
    let mut bootstrap = parse(MINIMAL);
    let nan = prost_types::value::Kind::NumberValue(f64::NAN);
    let options = prost_types::Struct {
        fields: [("x".to_owned(), prost_types::Value { kind: Some(nan) })].into(),
    };
    bootstrap.listeners[0].protocol_options = Some(options);
    assert!(json::to_json(&bootstrap).is_err());
    assert!(json::Document::new(&bootstrap).is_err());
    bootstrap.listeners[0].name = "x".repeat(10_000);
    assert!(json::Document::new(&bootstrap).is_err());
}

/// The reader knows maps with strings as keys, and these well-known types.
#[test]
fn the_schema_uses_only_what_the_reader_knows() {
    for message in schema_messages() {
        for field in message.fields() {
            let kind = match field.kind() {
                Kind::Message(entry) if field.is_map() => {
                    assert_eq!(
                        entry.map_entry_key_field().kind(),
                        Kind::String,
                        "{field:?}"
                    );
                    entry.map_entry_value_field().kind()
                }
                kind => kind,
            };
            if let Kind::Message(message) = kind {
                let known = ["google.protobuf.Duration", "google.protobuf.Struct"];
                let name = message.full_name();
                assert!(
                    name.starts_with("sabir.") || known.contains(&name),
                    "{field:?}"
                );
            }
        }
    }
}

fn schema_messages() -> impl Iterator<Item = MessageDescriptor> {
    let of_schema = |message: &MessageDescriptor| {
        message.package_name() == "sabir.config.v1" && !message.is_map_entry()
    };
    descriptor::pool().all_messages().filter(of_schema)
}

fn collect(message: &DynamicMessage, used: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        used.insert(field.full_name().to_owned());
        collect_value(value, used);
    }
}

fn collect_value(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Message(message) => collect(message, used),
        Value::List(values) => values.iter().for_each(|value| collect_value(value, used)),
        Value::Map(map) => map.values().for_each(|value| collect_value(value, used)),
        _ => {}
    }
}

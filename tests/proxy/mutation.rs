//! Metadata that configuration changes, as it is on the wire.

use crate::backend::Backend;
use crate::dubbo::Message;
use crate::running::Setup;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(own).collect()
}

#[tokio::test]
async fn requests_and_responses_are_changed_on_the_wire() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .routes(["{route: {cluster: main}, \
            request_mutation: {set: {group: batch, version: 2.0.0}, add: {x-seen: sabir}, remove: [secret]}, \
            response_mutation: {set: {served-by: sabir}}}"])
        .start()
        .await;
    let mut client = proxy.client().await;
    let attachments = [("group", "user"), ("secret", "s"), ("kept", "k")];
    let request = Message::request("org.demo.Hello", "hi", "bob", &attachments).with_id(7);
    client.send(&request).await;
    let mut upstream = backend.accept().await;
    let arrived = upstream.next().await.unwrap();
    let (service, method, argument) = arrived.called();
    assert_eq!(
        (service.as_str(), method.as_str(), argument.as_str()),
        ("org.demo.Hello", "hi", "bob")
    );
    let mut found = arrived.attachments();
    found.sort();
    let expected = [
        ("group", "batch"),
        ("kept", "k"),
        ("path", "org.demo.Hello"),
        ("x-seen", "sabir"),
    ];
    let without_version: Vec<_> = found
        .iter()
        .filter(|(k, _)| k != "version")
        .cloned()
        .collect();
    assert_eq!(without_version, pairs(&expected));
    assert!(arrived.body.windows(6).any(|w| w == b"\x052.0.0"));
    upstream.send(&Message::answer(arrived.id, "hi bob")).await;
    let answer = client.next().await.unwrap();
    assert_eq!((answer.id, answer.value().as_str()), (7, "hi bob"));
    assert_eq!(
        answer.response_attachments(),
        pairs(&[("served-by", "sabir")])
    );
    // Where there is no place for changes, messages pass as they are, which is counted.
    let opaque = Message {
        flags: 0xc3,
        status: 0,
        id: 9,
        body: vec![1; 50],
    };
    client.send(&opaque).await;
    let arrived = upstream.next().await.unwrap();
    assert_eq!(arrived.clone().with_id(9), opaque);
    let counter = "sabir_request_mutation_not_written_total";
    assert_eq!(proxy.metric(counter).await, 1);
    let answer = Message {
        flags: 3,
        status: 20,
        ..opaque.clone().with_id(arrived.id)
    };
    upstream.send(&answer).await;
    assert_eq!(client.next().await, Some(answer.with_id(9)));
    let counter = "sabir_response_mutation_not_written_total";
    assert_eq!(proxy.metric(counter).await, 1);
}

#[tokio::test]
async fn a_service_is_rewritten_wherever_the_message_names_it() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .routes(["{match: {metadata: {service: {exact: org.demo.Old}}}, \
            route: {cluster: main}, request_mutation: {set: {service: org.demo.Hello}}}"])
        .start()
        .await;
    let mut client = proxy.client().await;
    let named = [("interface", "org.demo.Old"), ("kept", "k")];
    let request = Message::request("org.demo.Old", "hi", "bob", &named).with_id(7);
    client.send(&request).await;
    let arrived = backend.accept().await.next().await.unwrap();
    let (service, method, argument) = arrived.called();
    assert_eq!(service, "org.demo.Hello");
    assert_eq!((method.as_str(), argument.as_str()), ("hi", "bob"));
    let mut found = arrived.attachments();
    found.retain(|(name, _)| name != "version");
    found.sort();
    let expected = [
        ("interface", "org.demo.Hello"),
        ("kept", "k"),
        ("path", "org.demo.Hello"),
    ];
    assert_eq!(found, pairs(&expected));
}

/// What a service learns of its caller is the same whatever the protocol.
#[tokio::test]
async fn an_attachment_says_where_the_caller_is() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .routes(["{route: {cluster: main}, request_mutation: \
            {append: {via: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'}, \
            set: {called: '%DOWNSTREAM_LOCAL_ADDRESS%', was: '%REQ(group?tag)%', not: '%REQ(tag)%'}}, \
            response_mutation: {set: {by: '%UPSTREAM_HOST%'}}}"])
        .start()
        .await;
    let mut client = proxy.client().await;
    let attachments = [("group", "g"), ("via", "10.1.1.1"), ("not", "forged")];
    client
        .send(&Message::request("org.demo.Hello", "hi", "bob", &attachments).with_id(7))
        .await;
    let mut upstream = backend.accept().await;
    let arrived = upstream.next().await.unwrap();
    let mut found = arrived.attachments();
    found.retain(|(name, _)| !["version", "path"].contains(&name.as_str()));
    found.sort();
    let called = proxy.at("in").to_string();
    let expected = [
        ("called", called.as_str()),
        ("group", "g"),
        ("via", "10.1.1.1, 127.0.0.1"),
        ("was", "g"),
    ];
    assert_eq!(found, pairs(&expected));
    upstream.send(&Message::answer(arrived.id, "hi bob")).await;
    let answer = client.next().await.unwrap();
    let endpoint = backend.address.to_string();
    assert_eq!(answer.response_attachments(), pairs(&[("by", &endpoint)]));
}

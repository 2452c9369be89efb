//! Connections on which servers call their clients.

use crate::backend::{Backend, nobody};
use crate::dubbo::{Message, Peer, TWO_WAY, string};
use crate::running::Setup;

/// A call of `subscribe(topic, listener)`, with the listener as Dubbo passes it.
fn subscribe(id: u64, topic: &str) -> Message {
    let mut body = Vec::new();
    for text in [
        "2.0.2",
        "org.demo.Topic",
        "0.0.0",
        "subscribe",
        "Ljava/lang/String;Lorg/demo/Listener;",
        topic,
    ] {
        string(&mut body, text);
    }
    body.extend_from_slice(b"NH");
    for text in ["path", "org.demo.Topic", "sys_callback_arg-1", "7"] {
        string(&mut body, text);
    }
    body.push(b'Z');
    Message {
        flags: TWO_WAY,
        status: 0,
        id,
        body,
    }
}

/// Subscribes `client`, and returns its connection to the server.
async fn subscribed(client: &mut Peer, backend: &mut Backend, topic: &str) -> Peer {
    client.send(&subscribe(1, topic)).await;
    let mut upstream = backend.accept().await;
    let request = upstream.next().await.unwrap();
    assert_eq!(request.argument(), topic);
    upstream.send(&Message::answer(request.id, topic)).await;
    assert_eq!(client.next().await.unwrap().value(), topic);
    upstream
}

#[tokio::test]
async fn servers_call_the_client_whose_connection_it_is() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address]).start().await;
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    let mut to_one = subscribed(&mut one, &mut backend, "one").await;
    let mut to_two = subscribed(&mut two, &mut backend, "two").await;
    // The server chooses its ids: the same ones on both.
    for id in [1, u64::MAX] {
        to_one.send(&Message::call(id, "event", "for-one")).await;
        to_two.send(&Message::call(id, "event", "for-two")).await;
        let (at_one, at_two) = (one.next().await.unwrap(), two.next().await.unwrap());
        assert!(at_one.is_request() && at_two.is_request());
        assert_eq!(at_one.argument(), "for-one");
        assert_eq!(at_two.argument(), "for-two");
        two.send(&Message::answer(at_two.id, "by-two")).await;
        one.send(&Message::answer(at_one.id, "by-one")).await;
        let answer = to_one.next().await.unwrap();
        assert_eq!((answer.id, answer.value().as_str()), (id, "by-one"));
        let answer = to_two.next().await.unwrap();
        assert_eq!((answer.id, answer.value().as_str()), (id, "by-two"));
    }
    // A one-way event needs no answer; an unasked answer reaches nobody.
    to_one
        .send(&Message::call(3, "event", "fire").one_way())
        .await;
    let fired = one.next().await.unwrap();
    assert_eq!((fired.flags, fired.argument().as_str()), (0x82, "fire"));
    one.send(&Message::answer(4711, "unasked")).await;
    // Its other calls stay on its connection, in flight beside those of its server.
    one.send(&Message::call(5, "hi", "more")).await;
    let more = to_one.next().await.unwrap();
    assert_eq!(more.argument(), "more");
    to_one.send(&Message::call(9, "event", "meanwhile")).await;
    let meanwhile = one.next().await.unwrap();
    one.send(&Message::answer(meanwhile.id, "yes")).await;
    assert_eq!(to_one.next().await.unwrap().value(), "yes");
    to_one.send(&Message::answer(more.id, "done")).await;
    assert_eq!(one.next().await.unwrap().value(), "done");
    proxy.assert_balanced().await;
    // A client's end is its connection's end, and nobody else's.
    assert_eq!(proxy.metric("sabir_upstream_cx_bound_active").await, 2);
    drop(one);
    assert_eq!(to_one.next().await, None);
    proxy.until_closed("bound_downstream_closed", 1).await;
    two.send(&Message::call(6, "hi", "still")).await;
    assert_eq!(to_two.next().await.unwrap().argument(), "still");
}

#[tokio::test]
async fn a_client_is_closed_when_its_servers_connection_is_lost() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address]).start().await;
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    let to_one = subscribed(&mut one, &mut backend, "one").await;
    one.send(&Message::call(5, "hi", "lost")).await;
    let mut to_two = subscribed(&mut two, &mut backend, "two").await;
    drop(to_one);
    let failed = one.next().await.unwrap();
    assert_eq!((failed.id, failed.status), (5, 80));
    assert_eq!(one.next().await, None);
    two.send(&Message::call(6, "hi", "still")).await;
    assert_eq!(to_two.next().await.unwrap().argument(), "still");
}

#[tokio::test]
async fn a_client_survives_that_another_endpoint_was_tried_first() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([nobody(), backend.address]).start().await;
    for topic in ["one", "two"] {
        let mut client = proxy.client().await;
        let mut upstream = subscribed(&mut client, &mut backend, topic).await;
        client.assert_quiet(9).await;
        upstream.send(&Message::call(1, "event", topic)).await;
        assert_eq!(client.next().await.unwrap().argument(), topic);
    }
}

#[tokio::test]
async fn a_server_cannot_call_over_a_shared_connection() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address]).start().await;
    let mut client = proxy.client().await;
    client.send(&Message::call(1, "hi", "x")).await;
    let mut upstream = backend.accept().await;
    let asked = upstream.next().await.unwrap();
    upstream.send(&Message::call(77, "event", "whom?")).await;
    let refused = upstream.next().await.unwrap();
    assert_eq!((refused.id, refused.flags, refused.status), (77, 2, 60));
    upstream
        .send(&Message::call(78, "event", "whom?").one_way())
        .await;
    upstream.send(&Message::answer(asked.id, "done")).await;
    assert_eq!(client.next().await.unwrap().value(), "done");
    client.assert_quiet(9).await;
    upstream.assert_quiet(10).await;
}

#[tokio::test]
async fn a_server_may_call_while_its_client_has_all_its_calls_in_flight() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .listener("max_concurrent_streams: 1")
        .start()
        .await;
    let mut client = proxy.client().await;
    client.send(&subscribe(1, "one")).await;
    let mut upstream = backend.accept().await;
    let request = upstream.next().await.unwrap();
    // The call's answer waits for the client's.
    upstream.send(&Message::call(5, "event", "first")).await;
    let event = client.next().await.unwrap();
    client.send(&Message::answer(event.id, "heard")).await;
    assert_eq!(upstream.next().await.unwrap().value(), "heard");
    upstream.send(&Message::answer(request.id, "done")).await;
    assert_eq!(client.next().await.unwrap().value(), "done");
}

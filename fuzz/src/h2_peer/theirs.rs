//! What the crate `h2` does.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

use super::calls::{Body, Call, Heard, Windows};
use super::pipe::Io;

/// Their side, which runs as long as it is polled.
pub(super) struct Theirs {
    pub(super) run: Pin<Box<dyn Future<Output = ()>>>,
    /// Calls that have not come to their end.
    pub(super) left: Rc<Cell<usize>>,
}

/// A client that makes every call.
pub(super) fn client(windows: &Windows, calls: &Rc<[Call]>, io: Io) -> Theirs {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(windows.theirs.0)
        .initial_connection_window_size(windows.theirs.1)
        .max_frame_size(windows.frame)
        .header_table_size(windows.table)
        .enable_push(false);
    let (calls, left) = (calls.clone(), Rc::new(Cell::new(calls.len())));
    let rest = left.clone();
    let run = Box::pin(async move {
        let made = builder.handshake::<_, Bytes>(io).await;
        let (sender, connection) = made.expect("a client begins");
        let mut connection = pin!(connection);
        let each = |at: usize| Box::pin(call(sender.clone(), calls.clone(), at)) as Task;
        let mut open: Vec<_> = (0..calls.len()).map(each).collect();
        poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                panic!("their client gave up: {ended:?}");
            }
            open.retain_mut(|call| call.as_mut().poll(cx).is_pending());
            rest.set(open.len());
            Poll::Pending
        })
        .await
    });
    Theirs { run, left }
}

async fn call(sender: h2::client::SendRequest<Bytes>, calls: Rc<[Call]>, at: usize) {
    let call = &calls[at];
    let request = Request::post(format!("http://example.com/{at}"))
        .header("x-word", &call.word)
        .body(())
        .expect("a request");
    let mut sender = sender.ready().await.expect("room for a request");
    let sent = sender.send_request(request, call.request.is_bare());
    let (response, body) = sent.expect("a request is sent");
    drop(sender);
    let mut heard = Heard::default();
    let send = async {
        if !call.request.is_bare() {
            send_body(body, call, &call.request).await;
        }
    };
    let receive = async {
        match response.await {
            Ok(response) => {
                heard.status = Some(response.status().as_u16());
                receive_body(response.into_body(), call, &mut heard).await;
            }
            Err(error) => note(&error, &mut heard),
        }
    };
    both(send, receive).await;
    heard.check_response(call);
}

/// A server that answers every call.
pub(super) fn server(windows: &Windows, calls: &Rc<[Call]>, io: Io) -> Theirs {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(windows.theirs.0)
        .initial_connection_window_size(windows.theirs.1)
        .max_frame_size(windows.frame)
        .header_table_size(windows.table)
        .max_concurrent_streams(windows.streams);
    // Those that the client gives up may never be seen.
    let mut unseen = calls.iter().filter(|call| !call.client_resets()).count();
    let (calls, left) = (calls.clone(), Rc::new(Cell::new(unseen)));
    let rest = left.clone();
    let run = Box::pin(async move {
        let made = builder.handshake::<_, Bytes>(io).await;
        let mut connection = made.expect("a server begins");
        let mut open = Vec::<Task>::new();
        poll_fn(|cx| {
            while let Poll::Ready(Some(accepted)) = connection.poll_accept(cx) {
                let (request, respond) = accepted.expect("their server has no complaint");
                unseen -= usize::from(!of(&request, &calls).client_resets());
                open.push(Box::pin(answer(request, respond, calls.clone())));
            }
            open.retain_mut(|call| call.as_mut().poll(cx).is_pending());
            rest.set(open.len() + unseen);
            Poll::Pending
        })
        .await
    });
    Theirs { run, left }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

fn of<'a>(request: &Request<RecvStream>, calls: &'a Rc<[Call]>) -> &'a Call {
    let at: usize = request.uri().path()[1..].parse().expect("a path of ours");
    &calls[at]
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    calls: Rc<[Call]>,
) {
    let call = of(&request, &calls);
    let mut heard = Heard::default();
    let word = request.headers()["x-word"].to_str().expect("text");
    heard.word = Some(word.to_owned());
    let early = call.early;
    let receive = receive_body(request.into_body(), call, &mut heard);
    let send = async {
        let response = Response::builder().status(call.status).body(());
        let bare = call.response.is_bare();
        if let Ok(body) = respond.send_response(response.expect("a response"), bare)
            && !bare
        {
            send_body(body, call, &call.response).await;
        }
    };
    if early {
        both(send, receive).await;
    } else {
        receive.await;
        send.await;
    }
    heard.check_request(call);
}

/// Sends a body as far as the other side takes it.
async fn send_body(mut stream: SendStream<Bytes>, call: &Call, body: &Body) {
    let (mut sent, most) = (0, body.sent());
    while sent < most {
        let wanted = body.piece.min(most - sent);
        stream.reserve_capacity(wanted);
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(Ok(granted)) = granted else {
            return;
        };
        let piece = call.octets(sent..sent + granted.min(wanted));
        sent += piece.len();
        if stream.send_data(piece.into(), false).is_err() {
            return;
        }
    }
    // Whoever resets a stream forgets what was not written yet.
    let _: Result<_, _> = match (body.reset_at, body.trailers) {
        (Some(_), _) => return stream.send_reset(Reason::CANCEL),
        (None, true) => stream.send_trailers(trailers(call)),
        (None, false) => stream.send_data(Bytes::new(), true),
    };
}

fn trailers(call: &Call) -> HeaderMap {
    let value = call.at.to_string().parse().expect("a number");
    HeaderMap::from_iter([(http::HeaderName::from_static("x-at"), value)])
}

async fn receive_body(mut body: RecvStream, call: &Call, heard: &mut Heard) {
    while let Some(piece) = body.data().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return note(&error, heard),
        };
        heard.piece(call, &piece);
        let released = body.flow_control().release_capacity(piece.len());
        released.expect("what arrived is released");
    }
    match body.trailers().await {
        Ok(trailers) => {
            let at = trailers.as_ref().map(|trailers| &trailers["x-at"]);
            heard.trailers = at.map(|at| at.to_str().expect("a number").to_owned());
            heard.ended = true;
        }
        Err(error) => note(&error, heard),
    }
}

/// A stream may be reset; that it broke the protocol is a finding.
fn note(error: &h2::Error, heard: &mut Heard) {
    assert!(error.is_reset(), "{error:?}");
    let harmless = [
        Some(Reason::CANCEL),
        Some(Reason::NO_ERROR),
        Some(Reason::INTERNAL_ERROR),
    ];
    assert!(harmless.contains(&error.reason()), "{error:?}");
    heard.reset = true;
}

async fn both(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut one_done, mut other_done) = (false, false);
    poll_fn(|cx| {
        one_done = one_done || one.as_mut().poll(cx).is_ready();
        other_done = other_done || other.as_mut().poll(cx).is_ready();
        match one_done && other_done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

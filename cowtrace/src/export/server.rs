//! The server: a thread of its own with no rights. A request reads what the last moment left, and no request can
//! hold up the trace.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, oneshot, watch},
};

use super::{
    figures::Figures,
    metrics::{TextForm, metrics_as_text},
    profile::{ProfileRequest, ProfileUnderWay},
    slots::Slots,
};
use crate::{
    itself::privileges::need_no_capability,
    watch::{Moment, Viewer},
};

/// Connections at one time; more wait.
const MOST_CONNECTIONS: usize = 16;
/// Profiles at one time.
const MOST_PROFILES: usize = 4;
/// A client has this long to say what it wants.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// Bytes of a request's head; the least that hyper allows.
const MOST_HEADER_BYTES: usize = 8_192;
/// The longest profile.
const LONGEST_PROFILE: Duration = Duration::from_mins(5);
/// Without a word how long.
const USUAL_PROFILE: Duration = Duration::from_secs(30);
/// No connection stays open for longer.
const CONNECTION_TIME: Duration = Duration::from_mins(10);
/// For the first figures, at the begin of a trace.
const FIRST_FIGURES: Duration = Duration::from_secs(5);
/// Figures that are older mean that the trace is stuck.
const STUCK: Duration = Duration::from_mins(1);

const BUSY: &str = "as many profiles as may be at one time are being taken: try again later\n";
const PATHS: &str = "\
/metrics                     metrics for Prometheus
/healthz                     whether the trace is well
/debug/pprof/cow?seconds=30  what is copied in the next seconds, as a profile for pprof
";

/// That nobody can listen at an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// What is exported over HTTP.
#[derive(Debug)]
pub struct Exporter {
    listener: TcpListener,
    address: SocketAddr,
    started_at: SystemTime,
}

type LatestFigures = watch::Receiver<Option<Arc<Figures>>>;

impl Exporter {
    /// Takes the address; nobody is served before [`Self::start`].
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            started_at: SystemTime::now(),
        })
    }

    /// Where it listens; with a port of its own if the given one was 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the thread that serves; `workers` of each service have figures of their own. It ends when
    /// the viewer is dropped.
    pub fn start(self, workers: usize) -> io::Result<Box<dyn Viewer>> {
        let (publish, latest) = watch::channel(None);
        let (profiles, requests) = sync_channel(MOST_PROFILES);
        let service = Service {
            latest,
            profiles,
            profile_places: Arc::new(Semaphore::new(MOST_PROFILES)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new().name("export".into());
        let listener = self.listener;
        thread.spawn(move || {
            // It may begin before the trace has given up what it does not need.
            let _ = need_no_capability();
            if let Err(error) = runtime.block_on(serve(listener, service)) {
                log::error!("nobody can ask for metrics any more: {error}");
            }
        })?;
        Ok(Box::new(Publisher {
            publish,
            requests,
            under_way: Vec::new(),
            started_at: self.started_at,
            workers,
            slots: BTreeMap::new(),
        }))
    }
}

/// Publishes the figures of each moment.
struct Publisher {
    publish: watch::Sender<Option<Arc<Figures>>>,
    requests: Receiver<ProfileRequest>,
    under_way: Vec<ProfileUnderWay>,
    started_at: SystemTime,
    /// How many workers of a target have figures of their own.
    workers: usize,
    /// The slots of each target, by its name.
    slots: BTreeMap<String, Slots>,
}

impl Viewer for Publisher {
    fn look(&mut self, moment: Moment<'_>) {
        let mut figures = Figures::of(moment, self.started_at);
        if let Some(before) = &*self.publish.borrow() {
            figures = figures.at_least(before);
        }
        if self.workers > 0 {
            for target in &mut figures.targets {
                let slots = self.slots.entry(target.name.clone()).or_default();
                target.place_workers(slots, self.workers);
            }
        }
        self.publish.send_replace(Some(Arc::new(figures)));
        self.under_way.retain(|profile| !profile.is_abandoned());
        let due = self.under_way.extract_if(.., |profile| profile.is_due());
        for profile in due {
            profile.finish(moment.run);
        }
        let begun = self
            .requests
            .try_iter()
            .map(|request| ProfileUnderWay::begin(request, moment.run));
        self.under_way.extend(begun);
    }
}

/// Serves until the trace has ended.
async fn serve(listener: TcpListener, service: Service) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut ended = service.latest.clone();
    let ended = async move { while ended.changed().await.is_ok() {} };
    let accept = async {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let service = service.clone();
                    tokio::spawn(async move {
                        serve_connection(stream, service).await;
                        drop(place);
                    });
                }
                // Too many open files, or a client that has gone: the next one may come.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::select! {
        () = ended => {}
        () = accept => {}
    }
    Ok(())
}

/// Serves a client until it leaves, its time is over, or it says something that is no HTTP.
async fn serve_connection(stream: TcpStream, service: Service) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MOST_HEADER_BYTES);
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(&request).await) }
    });
    let connection = server.serve_connection(TokioIo::new(stream), answer);
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

/// Answers requests.
#[derive(Clone)]
struct Service {
    latest: LatestFigures,
    profiles: SyncSender<ProfileRequest>,
    profile_places: Arc<Semaphore>,
}

type Answer = Response<Full<Bytes>>;

impl Service {
    async fn answer(mut self, request: &Request<Incoming>) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allowed);
            return answer;
        }
        match request.uri().path() {
            "/" => text(StatusCode::OK, PATHS),
            "/metrics" => self.metrics(request).await,
            "/healthz" => self.health(),
            "/debug/pprof/cow" => self.profile(request.uri().query()).await,
            _ => text(StatusCode::NOT_FOUND, PATHS),
        }
    }

    async fn metrics(&mut self, request: &Request<Incoming>) -> Answer {
        let first = self.latest.wait_for(Option::is_some);
        let first = tokio::time::timeout(FIRST_FIGURES, first).await;
        let figures = match first {
            Ok(Ok(figures)) => figures.clone(),
            _ => None,
        };
        let Some(figures) = figures else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "no figures yet\n");
        };
        let accept = request.headers().get(ACCEPT);
        let accept = accept.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let form = TextForm::accepted(accept);
        match metrics_as_text(&figures, form) {
            Ok(metrics) => answer(StatusCode::OK, form.content_type(), metrics.into()),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot write metrics\n"),
        }
    }

    fn health(&self) -> Answer {
        let taken_at = self.latest.borrow().as_ref().map(|it| it.taken_at);
        let age = taken_at.and_then(|at| at.elapsed().ok());
        match age {
            Some(age) if age > STUCK => text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("the last figures are {} s old\n", age.as_secs()),
            ),
            _ => text(StatusCode::OK, "ok\n"),
        }
    }

    async fn profile(&self, query: Option<&str>) -> Answer {
        let length = match profile_length(query.unwrap_or_default()) {
            Ok(length) => length,
            Err(error) => return text(StatusCode::BAD_REQUEST, error),
        };
        let Ok(_place) = self.profile_places.try_acquire() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, BUSY);
        };
        let (reply, profile) = oneshot::channel();
        // There is room for all that have a place. Nobody takes them any more once the trace has ended.
        let _ = self.profiles.try_send(ProfileRequest { length, reply });
        match profile.await {
            Ok(bytes) => answer(StatusCode::OK, "application/octet-stream", bytes.into()),
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the trace has ended\n"),
        }
    }
}

/// How long a profile is to take, by the query of its address; other words of it are ignored.
fn profile_length(query: &str) -> Result<Duration, &'static str> {
    let seconds = query
        .split('&')
        .find_map(|part| part.strip_prefix("seconds="));
    let Some(seconds) = seconds else {
        return Ok(USUAL_PROFILE);
    };
    let length = seconds.parse().ok().map(Duration::from_secs);
    length
        .filter(|it| (Duration::from_secs(1)..=LONGEST_PROFILE).contains(it))
        .ok_or("seconds: give a number from 1 to 300\n")
}

fn text(status: StatusCode, text: &str) -> Answer {
    answer(
        status,
        "text/plain; charset=utf-8",
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let value = hyper::header::HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, value(content_type));
    headers.insert(CACHE_CONTROL, value("no-store"));
    answer
}

//! `http` fences: one request to a web service that the config names, or to an endpoint of a server. Redirects are followed for GET
//! and HEAD alone, and never to another service.
//!
//! A request that got no answer may have done what it asks for: only one that never found anybody was not sent.

mod answer;

use super::live::Teller;
use super::{Acted, Call, Found, Pinned, Settled, Step, StepKind};
use crate::connect::http::explain;
use crate::connect::{Site, Ssh, Web};
use crate::domain::SourceError;
use crate::runbook::StepPermit;
use crate::runbook::language::http::{LANGUAGE, Method, Request, render};
use crate::runbook::language::{Language, Secrets};
use crate::runbook::machine::Effect;
use answer::Answer;
use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Registry line.
pub const KIND: StepKind = StepKind { language: &LANGUAGE, step: &HttpStep };

/// Redirects followed.
const REDIRECTS: usize = 3;
/// From a request that the service could not answer to the next try.
const BREATH: Duration = Duration::from_secs(1);
/// The header by which a service knows a request that it has had.
const ONCE: &str = "idempotency-key";

/// The way to a web service.
struct HttpStep;

/// Why there is no answer.
enum Failure {
    /// Nothing was sent.
    Early(SourceError),
    /// Something may have been.
    Lost(SourceError),
}

impl Failure {
    fn why(self) -> SourceError {
        match self {
            Self::Early(why) | Self::Lost(why) => why,
        }
    }
}

#[async_trait]
impl Step for HttpStep {
    async fn pin(&self, call: Call<'_>) -> Result<Pinned, SourceError> {
        let site = site(&call)?;
        let outs = call.lists();
        let request = render(&call.fence.body, &call.scope(&outs, Secrets::Named));
        // What an earlier step captures is not there yet.
        let sent = request.map_or_else(|_| call.fence.body.clone(), |request| request.text());
        let through = if call.fence.attrs.via_ssh {
            format!(" through SSH to {}", call.connections.need_ssh(call.on)?.target().await)
        } else {
            String::new()
        };
        Ok(Pinned { sent, address: format!("{}{through}", site.base()), ..Pinned::default() })
    }

    async fn ask(&self, call: Call<'_>) -> Result<Found, SourceError> {
        let answer = send(&call).await.map_err(Failure::why)?;
        let rows = answer.rows();
        let columns =
            rows.first().and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let later = answer.later();
        Ok(Found { names: answer.names(), rows, columns, text: answer.sentence(), later, ..Found::default() })
    }

    async fn facts(&self, call: Call<'_>) -> Result<Value, SourceError> {
        Ok(json!({ "service": site(&call)?.base().to_string() }))
    }

    async fn act(&self, call: Call<'_>, permit: StepPermit) -> Acted {
        let mut outs = call.outs.clone();
        // Whatever the caller has captured: a change gets the rows that its permit names, and no others.
        outs.extend(permit.rows().map(|rows| (rows.name.clone(), rows.clone())));
        let call = Call { outs: &outs, ..call };
        tracing::info!(step = permit.step(), on = call.on, "sending");
        match send(&call).await {
            Ok(answer) => Acted {
                output: answer.text(),
                rows: answer.rows(),
                names: answer.names(),
                refused: answer.refuses(),
                later: answer.later().or(answer.failed().then_some(BREATH)),
                ..Acted::silent(Effect::Done(answer.sentence()))
            },
            Err(Failure::Early(why)) => Acted::silent(Effect::NotSent(why.to_string())),
            Err(Failure::Lost(why)) => {
                let what = format!("the request was sent and no answer came: {}", why.what);
                Acted { later: Some(BREATH), ..Acted::broken(what) }
            }
        }
    }

    async fn settle(&self, _call: Call<'_>, _facts: &Value, _age: Duration) -> Settled {
        Settled::AskVerify
    }
}

/// The service that the fence asks.
fn site<'a>(call: &Call<'a>) -> Result<&'a Arc<Site>, SourceError> {
    match &call.fence.attrs.on.part {
        Some(endpoint) => call.connections.need_endpoint(call.on, endpoint),
        None => call.connections.need_site(call.on),
    }
}

/// Names that the body uses.
fn used(language: &Language, call: &Call<'_>) -> Vec<String> {
    let reading = (language.read)(call.fence.role, &call.fence.body, call.types);
    reading.used.into_iter().map(|(name, _)| name).collect()
}

async fn send(call: &Call<'_>) -> Result<Answer, Failure> {
    let end = Instant::now() + call.fence.attrs.timeout;
    let site = site(call).map_err(Failure::Early)?;
    let request = request(call).await.map_err(Failure::Early)?;
    let way = Way::to(call, site, end).await.map_err(Failure::Early)?;
    if request.method.changes() {
        way.look(end).await.map_err(Failure::Early)?;
    }
    let started = Instant::now();
    let teller = Teller::of(call);
    // No secret can stand in a path: lint refuses the page.
    let (method, target) = (request.method.word(), &request.target);
    teller.say(&format!("{method} {target} is sent to {}, which has not answered yet", site.base()));
    let response = way.exchange(call, &request, end).await?;
    teller.say(&format!("answered with {} after {} ms", response.status().as_u16(), started.elapsed().as_millis()));
    Ok(Answer::read(response, started, end, call.connections.redactor()).await)
}

async fn request(call: &Call<'_>) -> Result<Request, SourceError> {
    let secrets = call.secrets(&used(&LANGUAGE, call)).await?;
    let outs = call.lists();
    let request = render(&call.fence.body, &call.scope(&outs, Secrets::Given(&secrets)));
    let request = request.map_err(|why| SourceError::new(why, "look at the values of the request"))?;
    if request.method.changes() && !call.fence.role.changes() {
        let what = format!("{} may change something", request.method.word());
        return Err(SourceError::new(what, "it can only stand in a run or undo fence"));
    }
    Ok(request)
}

/// A way to a service: straight, or through its host's SSH.
struct Way<'a> {
    site: &'a Site,
    web: Web,
    ssh: Option<(&'a Ssh, String)>,
}

impl<'a> Way<'a> {
    async fn to(call: &Call<'a>, site: &'a Site, end: Instant) -> Result<Self, SourceError> {
        if !call.fence.attrs.via_ssh {
            return Ok(Self { site, web: site.web()?, ssh: None });
        }
        let ssh = call.connections.need_ssh(call.on)?;
        let remote = site.base().host_and_port();
        let late =
            |_| Err(SourceError::new(format!("no SSH to {} in time", ssh.address()), "see whether the host hangs"));
        let socket = timeout_at(end, ssh.forward_tcp(&remote)).await.unwrap_or_else(late)?;
        Ok(Self { site, web: site.web_through(&socket)?, ssh: Some((ssh, remote)) })
    }

    /// Through SSH nobody tells that a port is closed before something was sent to it: a question that changes nothing goes first.
    async fn look(&self, end: Instant) -> Result<(), SourceError> {
        if self.ssh.is_none() {
            return Ok(());
        }
        let asked = self.web.request(reqwest::Method::HEAD, self.site.base().join("")).send();
        match timeout_at(end, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.explain(&error).await),
            Err(_) => Err(SourceError::new(
                format!("{} gave no answer to a question before the change", self.site.base()),
                "see whether it hangs",
            )),
        }
    }

    async fn explain(&self, error: &reqwest::Error) -> SourceError {
        if let Some((ssh, remote)) = &self.ssh
            && let Some(why) = ssh.explain_forward(remote).await
        {
            return why;
        }
        explain(self.site.name(), self.site.base(), None, error)
    }

    /// Sends it, and follows redirects where that is harmless.
    async fn exchange(&self, call: &Call<'_>, request: &Request, end: Instant) -> Result<Response, Failure> {
        let mut headers = headers(request).map_err(Failure::Early)?;
        if request.method.changes() && call.fence.attrs.idempotent && !headers.contains_key(ONCE) {
            // An undo that is sent again is another one: a service may give the answer of before to what it knows.
            let again = if call.tried > 0 { format!("/{}", call.tried) } else { String::new() };
            let key = format!("{}/{}/{}{again}", call.run, call.step, call.on);
            headers.extend(HeaderValue::try_from(key).ok().map(|key| (HeaderName::from_static(ONCE), key)));
        }
        let url = self.site.base().below(&request.target);
        let mut url = url.ok_or_else(|| {
            Failure::Early(SourceError::new("the request's path is none", "look at the values in it"))
        })?;
        for _ in 0..REDIRECTS {
            let response = self.once(request, &headers, &url, end).await?;
            match onward(request.method, &response, &url) {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        self.once(request, &headers, &url, end).await
    }

    async fn once(&self, request: &Request, headers: &HeaderMap, url: &Url, end: Instant) -> Result<Response, Failure> {
        let method = reqwest::Method::from_bytes(request.method.word().as_bytes()).unwrap_or_default();
        let builder = self.web.request(method, url.clone()).headers(headers.clone());
        let builder = if request.body.is_empty() { builder } else { builder.body(request.body.clone()) };
        let builder = if headers.contains_key("authorization") { Ok(builder) } else { self.web.sign(builder).await };
        let sent = builder.map_err(Failure::Early)?.send();
        match timeout_at(end, sent).await {
            Ok(Ok(response)) => {
                if response.status() == 401 {
                    self.web.refused();
                }
                Ok(response)
            }
            Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                Err(Failure::Early(self.explain(&error).await))
            }
            Ok(Err(error)) => Err(Failure::Lost(self.explain(&error).await)),
            Err(_) => {
                let what = format!("{} at {} does not answer in time", self.site.name(), self.site.base());
                Err(Failure::Lost(SourceError::new(what, "see whether it hangs, or raise the fence's timeout")))
            }
        }
    }
}

/// Headers may hold secrets: marked, nothing prints them.
fn headers(request: &Request) -> Result<HeaderMap, SourceError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let wrong = || SourceError::new(format!("the header {name:?} can't be sent"), "look at what is filled into it");
        let key = HeaderName::try_from(name).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Where a redirect leads, when it is to be followed: a request that changes nothing, to the same service.
fn onward(method: Method, response: &Response, from: &Url) -> Option<Url> {
    let follows = !method.changes() && matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let place = response.headers().get("location").filter(|_| follows)?.to_str().ok()?;
    from.join(place).ok().filter(|url| url.origin() == from.origin())
}

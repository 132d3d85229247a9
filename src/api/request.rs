//! What handlers take out of requests. Each refuses in the API's own error shape.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::ApiState;
use super::error::ApiError;

/// The connector's (or plugin's) name in the path, decoded.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_request(error.body_text()))?;
        Ok(Self(name))
    }
}

/// The connector's name and the task's number in the path. What is not a number names no resource;
/// a negative number is a task that does not exist.
pub(super) struct NameAndTask {
    pub(super) name: String,
    pub(super) task: i32,
}

impl<S: Send + Sync> FromRequestParts<S> for NameAndTask {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((name, task)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_request(error.body_text()))?;
        let task = task
            .parse()
            .map_err(|_| ApiError::http(StatusCode::NOT_FOUND))?;
        Ok(Self { name, task })
    }
}

/// The query, in order, names repeated as given.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// All values of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A flag: only `true`, in any case, sets it.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.all(name)
            .next()
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(pairs) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_request(error.body_text()))?;
        Ok(Self(pairs))
    }
}

/// The body, bounded by `rest.request.body.max.bytes`.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<ApiState> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        // The limit itself is set by the router, on the request.
        let bytes = Bytes::from_request(request, state).await;
        match bytes {
            Ok(bytes) if bytes.is_empty() => {
                Err(ApiError::bad_request("the request body is missing"))
            }
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let limit = state.settings.request_body_max_bytes;
                let message = format!(
                    "the request body is larger than {limit} bytes, the worker's limit \
                     (rest.request.body.max.bytes)"
                );
                Err(ApiError::new(error.status(), message))
            }
            Err(_) => Err(ApiError::bad_request("the request body ended too early")),
        }
    }
}

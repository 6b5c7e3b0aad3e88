//! A running server's admin API, as the commands ask it.

use crate::{config, exit::Failure};

/// Where the API is, and the key that opens it: `TRUNKLINE_ADMIN_KEY`, for a server beyond loopback.
#[derive(Clone)]
pub(crate) struct Admin {
    http: reqwest::Client,
    address: reqwest::Url,
    key: Option<String>,
}

impl Admin {
    /// The API at an address such as `http://127.0.0.1:8080`.
    pub(crate) fn at(address: &str) -> Result<Self, Failure> {
        let bad = |why: &dyn std::fmt::Display| Failure::bad_input(format!("{address}: {why}"));
        let url = reqwest::Url::parse(address).map_err(|e| bad(&e))?;
        if url.cannot_be_a_base() || !matches!(url.scheme(), "http" | "https") {
            return Err(bad(&"not an HTTP address, such as http://127.0.0.1:8080"));
        }
        let key = config::variable("TRUNKLINE_ADMIN_KEY");
        Ok(Self { http: reqwest::Client::new(), address: url, key })
    }

    /// A request for the server's figures.
    pub(crate) fn metrics(&self) -> reqwest::RequestBuilder {
        let mut url = self.address.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("metrics");
        }
        self.with_key(self.http.get(url))
    }

    /// A request for `/admin/v1/` and these segments.
    pub(crate) fn get(&self, segments: &[&str], query: Option<&str>) -> reqwest::RequestBuilder {
        let mut url = self.address.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["admin", "v1"]).extend(segments);
        }
        url.set_query(query);
        self.with_key(self.http.get(url))
    }

    fn with_key(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_whatever_the_address_ends_with() {
        for address in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
            let request = Admin::at(address).unwrap().get(&["calls", "a b/c"], Some("limit=2"));
            let url = request.build().unwrap().url().to_string();
            assert_eq!(url, "http://127.0.0.1:8080/admin/v1/calls/a%20b%2Fc?limit=2");
        }
    }

    #[test]
    fn what_is_no_http_address_is_refused_before_anything_is_sent() {
        for address in ["127.0.0.1:8080", "sip:demo@127.0.0.1", "ftp://127.0.0.1", ""] {
            assert!(Admin::at(address).is_err(), "{address}");
        }
    }
}

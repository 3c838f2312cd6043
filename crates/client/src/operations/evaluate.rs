//! Running code.

use std::collections::BTreeMap;
use std::future::Future;

use beep_python_protocol::Operation;
use beep_python_protocol::message::{EvaluateRequest, RETURN_TEXT};

use crate::args::Locals;
use crate::body::encode;
use crate::client::Client;
use crate::error::Error;
use crate::execution::Execution;
use crate::handle::Handle;
use crate::response::{FromResponse, Returned};
use crate::transport::Transport;
use crate::value_stream::ValueStream;

impl<T: Transport> Client<T> {
    /// Evaluates an expression, or statements. The result is the value of the last statement when that is an expression,
    /// else None. Names persist in the session.
    pub fn evaluate<R: FromResponse>(&self, code: &str) -> impl Future<Output = Result<R, Error>> + Send {
        self.evaluate_with(code, ())
    }

    /// Evaluates with names that exist for this call only. With any, nothing that the code binds persists.
    pub fn evaluate_with<R: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<R, Error>> + Send {
        let repr = self.state.reprs;
        let body = locals.into().into_values().and_then(|locals| {
            encode(&EvaluateRequest {
                expression: code,
                locals: &locals,
                return_type: R::RETURN_TYPE,
                repr,
                outputs: None,
            })
        });
        self.invoke(Operation::Evaluate, body, self.call_options().clone())
    }

    /// Evaluates as [`evaluate_with`](Self::evaluate_with) does, and gives beside the value the objects of those of these names
    /// that are bound then, also where they are gone after the call.
    ///
    /// ```no_run
    /// # use beep_python_client::{Error, HttpBackend, Returned};
    /// # async fn example(python: HttpBackend) -> Result<(), Error> {
    /// let (value, outputs) = python.evaluate_outputs::<i64>("y = x * 2\ny + 1", [("x", 4)], &["y"]).await?;
    /// assert!(value == 9 && matches!(&outputs["y"], Returned::Value(value) if *value == 8.into()));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn evaluate_outputs<R: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
        outputs: &[&str],
    ) -> Result<(R, BTreeMap<String, Returned>), Error> {
        let (repr, return_type, outputs) = (self.state.reprs, R::RETURN_TYPE, Some(outputs));
        let body = locals.into().into_values().and_then(|locals| {
            encode(&EvaluateRequest { expression: code, locals: &locals, return_type, repr, outputs })
        });
        let options = self.call_options().clone();
        let session = options.session.clone();
        let mut response = self.call_session(Operation::Evaluate, body, options).await?;
        let outputs = std::mem::take(&mut response.outputs).into_iter();
        let outputs = outputs.map(|(name, object)| Ok((name, self.decode_result(object, session.clone())?)));
        let outputs = outputs.collect::<Result<_, Error>>()?;
        Ok((self.decode_result(response, session)?, outputs))
    }

    /// Evaluates as [`evaluate`](Self::evaluate) does, and streams its output, what it passes to `display`, and its calls
    /// of `input()`. Its value and the figures that it leaves open are not displayed.
    pub async fn evaluate_streaming(&self, code: &str) -> Result<Execution<T>, Error> {
        Execution::start(self, Operation::Evaluate, code, Locals::default(), None).await
    }

    /// Evaluates as [`evaluate_streaming`](Self::evaluate_streaming) does, for a reader: the result is an `Option<String>`,
    /// which is a `str` as it is, nothing for None and where a semicolon ends the code, and the `repr` of anything else.
    pub async fn evaluate_streaming_to_text(&self, code: &str) -> Result<Execution<T>, Error> {
        Execution::start(self, Operation::Evaluate, code, Locals::default(), Some(RETURN_TEXT)).await
    }

    /// Runs code as a notebook does: streams its output, displays, the value of its last expression, and its calls of
    /// `input()`.
    pub async fn execute(&self, code: &str) -> Result<Execution<T>, Error> {
        Execution::start(self, Operation::Execute, code, Locals::default(), None).await
    }

    /// Runs code as [`execute`](Self::execute) does, with names that exist for this call only.
    pub fn execute_with(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<Execution<T>, Error>> + Send {
        let locals = locals.into();
        async move { Execution::start(self, Operation::Execute, code, locals, None).await }
    }

    /// Runs code as [`execute`](Self::execute) does, but keeps the result in the session and does not display it:
    /// [`result::<Handle>`](Execution::result).
    pub async fn execute_to_handle(&self, code: &str) -> Result<Execution<T>, Error> {
        Execution::start(self, Operation::Execute, code, Locals::default(), Handle::RETURN_TYPE).await
    }

    /// Iterates over the value of code: an iterable, a generator or an asynchronous generator. Items are made as they are
    /// read.
    pub fn stream<R: FromResponse>(&self, code: &str) -> impl Future<Output = Result<ValueStream<T, R>, Error>> + Send {
        self.stream_with(code, ())
    }

    /// Iterates as [`stream`](Self::stream) does, with names that exist for this call only.
    pub fn stream_with<R: FromResponse>(
        &self,
        code: &str,
        locals: impl Into<Locals>,
    ) -> impl Future<Output = Result<ValueStream<T, R>, Error>> + Send {
        let locals = locals.into();
        async move { ValueStream::over_code(self, code, locals).await }
    }

    /// Iterates over an object.
    pub async fn iterate<R: FromResponse>(&self, object: &Handle) -> Result<ValueStream<T, R>, Error> {
        ValueStream::over_object(self, object).await
    }
}

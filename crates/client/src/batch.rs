//! Operations that run one after the other in one request.

use beep_python_protocol::message::CallResponse;
use beep_python_protocol::{ErrorCode, Operation, Problem, PythonException, Value, ValueError, to_value};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, json};

use crate::args::{Args, Locals, Unwritable};
use crate::body::{decode, encode};
use crate::client::Client;
use crate::error::Error;
use crate::handle::Handle;
use crate::key::Key;
use crate::response::{FromResponse, Response, Returned};
use crate::transport::Transport;

/// Operations for one request. Each method adds a step and returns it; a step can be an argument of later ones, or the object
/// that they are about.
///
/// ```no_run
/// # use beep_python_client::{Batch, Error, HttpBackend};
/// # async fn example(python: HttpBackend) -> Result<(), Error> {
/// let mut batch = Batch::new();
/// let words = batch.evaluate("'the cat and the hat'.split()");
/// let counter = batch.import_module("collections");
/// let counted = batch.create_object(counter, "Counter", (words,));
/// let top = batch.call_method(counted, "most_common", (1,));
/// let results = python.run_batch(&batch).await?;
/// assert_eq!(results.get::<Vec<(String, i64)>>(top)?, [("the".to_owned(), 2)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    steps: Vec<Map<String, serde_json::Value>>,
    failure: Option<Unwritable>,
    goes_on: bool,
}

/// A step of a [`Batch`]. As an argument it stands for the step's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step(u32);

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::StepResult(self.0).serialize(serializer)
    }
}

/// The object that a step is about: a [`Handle`], or an earlier [`Step`].
#[derive(Debug)]
pub struct Object(serde_json::Value);

impl From<&Handle> for Object {
    fn from(handle: &Handle) -> Object {
        Object(json!(handle.id()))
    }
}

impl From<Step> for Object {
    fn from(step: Step) -> Object {
        Object(json!({ "$result": step.0 }))
    }
}

impl Batch {
    /// No steps.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Runs the later steps although one failed, but for those that refer to it.
    pub fn continue_on_error(&mut self) {
        self.goes_on = true;
    }

    /// Keeps the object of a step in the session although later steps refer to it, so that its result is a [`Handle`].
    pub fn keep(&mut self, step: Step) {
        if let Some(step) = self.steps.get_mut(step.0 as usize) {
            step.insert("keep".to_owned(), true.into());
            step.insert("returnType".to_owned(), "handle".into());
        }
    }

    /// As [`Client::evaluate`].
    pub fn evaluate(&mut self, code: &str) -> Step {
        self.evaluate_with(code, ())
    }

    /// As [`Client::evaluate_with`].
    pub fn evaluate_with(&mut self, code: &str, locals: impl Into<Locals>) -> Step {
        let locals = locals.into().into_writable().and_then(|locals| named(&locals));
        self.add("eval", [("expression", Ok(code.into())), ("locals", locals)])
    }

    /// As [`Client::import_module`].
    pub fn import_module(&mut self, module: &str) -> Step {
        self.add("import", [("moduleName", Ok(module.into()))])
    }

    /// As [`Client::create_object`].
    pub fn create_object(&mut self, module: impl Into<Object>, class: &str, args: impl Into<Args>) -> Step {
        let object = ("moduleHandleId", Ok(module.into().0));
        self.with_args("create", [object, ("className", Ok(class.into()))], args.into())
    }

    /// As [`Client::call_method`].
    pub fn call_method(&mut self, object: impl Into<Object>, method: &str, args: impl Into<Args>) -> Step {
        let object = ("handleId", Ok(object.into().0));
        self.with_args("call", [object, ("methodName", Ok(method.into()))], args.into())
    }

    /// As [`Client::call_object`].
    pub fn call_object(&mut self, object: impl Into<Object>, args: impl Into<Args>) -> Step {
        self.with_args("invoke", [("handleId", Ok(object.into().0))], args.into())
    }

    /// As [`Client::get_attribute`].
    pub fn get_attribute(&mut self, object: impl Into<Object>, attribute: &str) -> Step {
        self.add("getattr", [("handleId", Ok(object.into().0)), ("attributeName", Ok(attribute.into()))])
    }

    /// As [`Client::set_attribute`].
    pub fn set_attribute(&mut self, object: impl Into<Object>, attribute: &str, value: impl Serialize) -> Step {
        let object = ("handleId", Ok(object.into().0));
        self.add("setattr", [object, ("attributeName", Ok(attribute.into())), ("value", argument(value))])
    }

    /// As [`Client::get_item`].
    pub fn get_item(&mut self, object: impl Into<Object>, key: impl Into<Key>) -> Step {
        self.add("getitem", [("handleId", Ok(object.into().0)), ("key", argument(key.into().0))])
    }

    /// As [`Client::set_item`].
    pub fn set_item(&mut self, object: impl Into<Object>, key: impl Into<Key>, value: impl Serialize) -> Step {
        let object = ("handleId", Ok(object.into().0));
        self.add("setitem", [object, ("key", argument(key.into().0)), ("value", argument(value))])
    }

    /// As [`Client::length`].
    pub fn length(&mut self, object: impl Into<Object>) -> Step {
        self.add("len", [("handleId", Ok(object.into().0))])
    }

    /// As [`Client::value`].
    pub fn value(&mut self, object: impl Into<Object>) -> Step {
        self.add("value", [("handleId", Ok(object.into().0))])
    }

    /// As [`Client::await_object`].
    pub fn await_object(&mut self, object: impl Into<Object>) -> Step {
        self.add("await", [("handleId", Ok(object.into().0))])
    }

    fn with_args<const LEN: usize>(
        &mut self,
        operation: &str,
        fields: [(&str, Result<serde_json::Value, Unwritable>); LEN],
        args: Args,
    ) -> Step {
        let (args, kwargs) = match args.into_writable() {
            Ok((args, kwargs)) => (argument(args), named(&kwargs)),
            Err(failure) => (Err(failure), Ok(json!({}))),
        };
        self.add(operation, fields.into_iter().chain([("args", args), ("kwargs", kwargs)]))
    }

    fn add<'a>(
        &mut self,
        operation: &str,
        fields: impl IntoIterator<Item = (&'a str, Result<serde_json::Value, Unwritable>)>,
    ) -> Step {
        let mut step = Map::from_iter([("operation".to_owned(), operation.into())]);
        for (name, value) in fields {
            match value {
                Ok(value) => drop(step.insert(name.to_owned(), value)),
                Err((what, error)) => {
                    let at = self.steps.len();
                    self.failure.get_or_insert_with(|| (format!("{what} of step {at} of the batch"), error));
                }
            }
        }
        self.steps.push(step);
        Step(u32::try_from(self.steps.len() - 1).unwrap_or(u32::MAX))
    }
}

fn argument(value: impl Serialize) -> Result<serde_json::Value, Unwritable> {
    to_value(&value).and_then(|value| in_json(&value)).map_err(|error| ("a value".to_owned(), error))
}

fn named(values: &[(String, Value)]) -> Result<serde_json::Value, Unwritable> {
    let pair = |(name, value): &(String, Value)| match in_json(value) {
        Ok(value) => Ok((name.clone(), value)),
        Err(error) => Err((format!("`{name}`"), error)),
    };
    values.iter().map(pair).collect()
}

fn in_json(value: &Value) -> Result<serde_json::Value, ValueError> {
    serde_json::to_value(value).map_err(|error| ValueError::Mismatch(error.to_string()))
}

/// What became of the steps of a [`Batch`].
#[derive(Debug)]
pub struct BatchResults(Vec<StepOutcome>);

#[derive(Debug)]
enum StepOutcome {
    Returned(Returned),
    Failed(Problem),
    Skipped,
}

impl BatchResults {
    /// The result of a step.
    ///
    /// # Errors
    /// [`Error::Python`] or [`Error::Host`] when the step failed, [`Error::Host`] with
    /// [`ErrorCode::Cancelled`] when it was skipped, and those of reading the result as an `R`. The result of a step that
    /// others refer to is None, unless the batch was told to [`keep`](Batch::keep) it.
    pub fn get<R: FromResponse>(&self, step: Step) -> Result<R, Error> {
        match self.0.get(step.0 as usize) {
            Some(StepOutcome::Returned(value)) => R::from_response(Response {
                value: value.clone(),
                stdout: String::new(),
                stderr: String::new(),
                omitted_output_bytes: 0,
                session_epoch: None,
            }),
            Some(StepOutcome::Failed(problem)) => Err(Error::from_problem(problem.clone())),
            Some(StepOutcome::Skipped) => {
                let detail = "the step was skipped, since an earlier one failed";
                Err(Error::from_problem(Problem::new(ErrorCode::Cancelled, detail)))
            }
            None => Err(Error::malformed(format!("the batch has no result for step {}", step.0))),
        }
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    error: Option<StepError>,
    #[serde(default)]
    skipped: bool,
    #[serde(flatten)]
    response: CallResponse,
}

#[derive(Deserialize)]
struct StepError {
    code: ErrorCode,
    detail: String,
    exception: Option<Box<PythonException>>,
}

impl<T: Transport> Client<T> {
    /// Runs the steps of a batch in one request: one place in the queue, one deadline, one cancel and one limit for all.
    pub async fn run_batch(&self, batch: &Batch) -> Result<BatchResults, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Request<'a> {
            steps: &'a [Map<String, serde_json::Value>],
            stop_on_error: bool,
        }

        if let Some(failure) = &batch.failure {
            return Err(failure.clone().into());
        }
        let body = encode(&Request { steps: &batch.steps, stop_on_error: !batch.goes_on });
        let options = self.call_options().clone();
        let session = options.session.clone();
        let call = crate::body::session_call(Operation::Batch, body, options)?;
        let Results { results } = decode(&self.transport.call(call).await?)?;
        let outcome = |Outcome { error, skipped, response }: Outcome| match error {
            Some(StepError { code, detail, exception }) => {
                Ok(StepOutcome::Failed(Problem { exception, ..Problem::new(code, detail) }))
            }
            None if skipped => Ok(StepOutcome::Skipped),
            None if response.handle_id.is_some() => {
                Ok(StepOutcome::Returned(Returned::Handle(self.handle_from(response, session.clone())?)))
            }
            None => Ok(StepOutcome::Returned(Returned::Value(response.value))),
        };
        results.into_iter().map(outcome).collect::<Result<_, _>>().map(BatchResults)
    }
}

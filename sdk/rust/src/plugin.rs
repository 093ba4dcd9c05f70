//! What makes a plugin of a type.

use crate::{Call, List, Manifest, Request, Response, Value, Verdict};

/// What [`plugin!`](crate::plugin!) makes of a type.
pub trait Plugin: Sized {
    /// Its manifest.
    const MANIFEST: Manifest;
    /// Whether it takes settings.
    const TAKES_SETTINGS: bool;

    /// Checks settings.
    #[doc(hidden)]
    fn validate(settings: Value<'static>) -> Result<(), Refusal>;
    /// Makes a plugin with settings, or without.
    #[doc(hidden)]
    fn boot(settings: Value<'static>) -> Result<Self, Refusal>;
    /// Tests itself.
    #[doc(hidden)]
    fn test(&self) -> Result<(), Refusal>;
    /// Judges a request.
    #[doc(hidden)]
    fn request(&self, call: &Call<Request>) -> Verdict;
    /// Judges a response.
    #[doc(hidden)]
    fn response(&self, call: &Call<Response>) -> Verdict;
    /// Judges a list.
    #[doc(hidden)]
    fn list(&self, call: &Call<List>) -> Verdict;
}

/// A plugin with the hook `request`.
pub trait OnRequest {
    /// Judges a message that asks, before it is passed on.
    fn on_request(&self, call: &Call<Request>) -> Verdict;
}

/// A plugin with the hook `response`.
pub trait OnResponse {
    /// Judges a result, or a notification, before it is passed on.
    fn on_response(&self, call: &Call<Response>) -> Verdict;
}

/// A plugin with the hook `list`.
pub trait OnList {
    /// Judges the items of a list, before they are passed on.
    fn on_list(&self, call: &Call<List>) -> Verdict;
}

/// A plugin with settings. Hooks see it as it was configured.
pub trait Settings: Sized {
    /// Makes the plugin, with settings that the gateway has checked against the manifest's
    /// `settings_schema`: what a schema can't say is checked here. They stay where they are.
    fn configure(settings: Value<'static>) -> Result<Self, Refusal>;

    /// Only looks at settings: what [`Settings::configure`] makes of them, if it isn't
    /// written.
    fn validate(settings: Value<'static>) -> Result<(), Refusal> {
        Self::configure(settings).map(drop)
    }
}

/// A plugin that tests itself before it serves.
pub trait SelfTest {
    /// A plugin that isn't good isn't loaded.
    fn self_test(&self) -> Result<(), Refusal>;
}

/// Why settings are refused, or what a self-test has found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) text: &'static str,
    pub(crate) path: &'static str,
}

impl Refusal {
    /// A refusal with a code for machines and a text for people.
    pub const fn new(code: &'static str, text: &'static str) -> Refusal {
        Refusal { code, text, path: "" }
    }

    /// Says where in the settings the mistake is, as a JSON Pointer: `/mode`.
    pub const fn at(self, path: &'static str) -> Refusal {
        Refusal { code: self.code, text: self.text, path }
    }
}

/// Declares the plugin: the type, a constant [`Manifest`], and what the type implements, of
/// [`OnRequest`], [`OnResponse`], [`OnList`], [`Settings`] and [`SelfTest`].
///
/// ```
/// # use sallyport::{Call, Manifest, OnRequest, Request, Verdict};
/// # const MANIFEST: Manifest = Manifest::new(r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request"]}"#);
/// #[derive(Default)]
/// struct Nothing;
///
/// impl OnRequest for Nothing {
///     fn on_request(&self, _call: &Call<Request>) -> Verdict {
///         Verdict::Abstain
///     }
/// }
///
/// sallyport::plugin!(Nothing, MANIFEST: OnRequest);
/// ```
///
/// A plugin without [`Settings`] must be [`Default`]. The hooks must be those that the
/// manifest declares:
///
/// ```compile_fail
/// # use sallyport::{Call, Manifest, OnRequest, Request, Verdict};
/// # const MANIFEST: Manifest = Manifest::new(r#"{"abi": "sallyport/1", "name": "a", "version": "1.0.0", "hooks": ["request", "list"]}"#);
/// # #[derive(Default)]
/// # struct Nothing;
/// # impl OnRequest for Nothing {
/// #     fn on_request(&self, _call: &Call<Request>) -> Verdict { Verdict::Abstain }
/// # }
/// sallyport::plugin!(Nothing, MANIFEST: OnRequest);
/// ```
#[macro_export]
macro_rules! plugin {
    ($plugin:ty, $manifest:path: $($part:ident),+ $(,)?) => {
        const _: () = $manifest.implements($crate::plugin!(@hooks [false, false, false] $($part)+));

        impl $crate::Plugin for $plugin {
            const MANIFEST: $crate::Manifest = $manifest;
            $crate::plugin!(@settings $plugin [] $($part)+);
            $crate::plugin!(@test $plugin [] $($part)+);
            $crate::plugin!(@request $plugin [] $($part)+);
            $crate::plugin!(@response $plugin [] $($part)+);
            $crate::plugin!(@list $plugin [] $($part)+);
        }

        // On another machine only tests use it, and the compiler shouldn't call it unused.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn($crate::Value<'static>) -> Result<$plugin, $crate::Refusal> = <$plugin as $crate::Plugin>::boot;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[used]
            #[link_section = "sallyport.manifest"]
            static SECTION: [u8; $manifest.len()] = $manifest.section();
            static PLUGIN: $crate::export::Slot<$plugin> = $crate::export::Slot::new();
            $($crate::plugin!(@export $part $plugin);)+
        };
    };

    (@hooks [$a:tt, $b:tt, $c:tt]) => { [$a, $b, $c] };
    (@hooks [$a:tt, $b:tt, $c:tt] OnRequest $($rest:ident)*) => { $crate::plugin!(@hooks [true, $b, $c] $($rest)*) };
    (@hooks [$a:tt, $b:tt, $c:tt] OnResponse $($rest:ident)*) => { $crate::plugin!(@hooks [$a, true, $c] $($rest)*) };
    (@hooks [$a:tt, $b:tt, $c:tt] OnList $($rest:ident)*) => { $crate::plugin!(@hooks [$a, $b, true] $($rest)*) };
    (@hooks $hooks:tt Settings $($rest:ident)*) => { $crate::plugin!(@hooks $hooks $($rest)*) };
    (@hooks $hooks:tt SelfTest $($rest:ident)*) => { $crate::plugin!(@hooks $hooks $($rest)*) };
    (@hooks $hooks:tt $other:ident $($rest:ident)*) => {
        compile_error!("a plugin implements OnRequest, OnResponse, OnList, Settings and SelfTest")
    };

    (@settings $plugin:ty [] Settings $($rest:ident)*) => {
        const TAKES_SETTINGS: bool = true;
        fn validate(settings: $crate::Value<'static>) -> Result<(), $crate::Refusal> {
            <$plugin as $crate::Settings>::validate(settings)
        }
        fn boot(settings: $crate::Value<'static>) -> Result<Self, $crate::Refusal> {
            <$plugin as $crate::Settings>::configure(settings)
        }
    };
    (@settings $plugin:ty []) => {
        const TAKES_SETTINGS: bool = false;
        fn validate(_: $crate::Value<'static>) -> Result<(), $crate::Refusal> { Ok(()) }
        fn boot(_: $crate::Value<'static>) -> Result<Self, $crate::Refusal> { Ok(<$plugin as Default>::default()) }
    };
    (@test $plugin:ty [] SelfTest $($rest:ident)*) => {
        fn test(&self) -> Result<(), $crate::Refusal> { <$plugin as $crate::SelfTest>::self_test(self) }
    };
    (@test $plugin:ty []) => { fn test(&self) -> Result<(), $crate::Refusal> { Ok(()) } };
    (@request $plugin:ty [] OnRequest $($rest:ident)*) => {
        fn request(&self, call: &$crate::Call<$crate::Request>) -> $crate::Verdict { <$plugin as $crate::OnRequest>::on_request(self, call) }
    };
    (@request $plugin:ty []) => { fn request(&self, call: &$crate::Call<$crate::Request>) -> $crate::Verdict { call.fail("there is no such hook") } };
    (@response $plugin:ty [] OnResponse $($rest:ident)*) => {
        fn response(&self, call: &$crate::Call<$crate::Response>) -> $crate::Verdict { <$plugin as $crate::OnResponse>::on_response(self, call) }
    };
    (@response $plugin:ty []) => { fn response(&self, call: &$crate::Call<$crate::Response>) -> $crate::Verdict { call.fail("there is no such hook") } };
    (@list $plugin:ty [] OnList $($rest:ident)*) => {
        fn list(&self, call: &$crate::Call<$crate::List>) -> $crate::Verdict { <$plugin as $crate::OnList>::on_list(self, call) }
    };
    (@list $plugin:ty []) => { fn list(&self, call: &$crate::Call<$crate::List>) -> $crate::Verdict { call.fail("there is no such hook") } };
    // Another part than the one that is looked for.
    (@$what:ident $plugin:ty [] $other:ident $($rest:ident)*) => { $crate::plugin!(@$what $plugin [] $($rest)*); };

    (@export OnRequest $plugin:ty) => {
        #[no_mangle]
        extern "C" fn sp_on_request() -> i32 { $crate::export::call(&PLUGIN, <$plugin as $crate::Plugin>::request) }
    };
    (@export OnResponse $plugin:ty) => {
        #[no_mangle]
        extern "C" fn sp_on_response() -> i32 { $crate::export::call(&PLUGIN, <$plugin as $crate::Plugin>::response) }
    };
    (@export OnList $plugin:ty) => {
        #[no_mangle]
        extern "C" fn sp_on_list() -> i32 { $crate::export::call(&PLUGIN, <$plugin as $crate::Plugin>::list) }
    };
    (@export Settings $plugin:ty) => {
        #[no_mangle]
        extern "C" fn sp_alloc(len: usize) -> *mut u8 { $crate::export::alloc(len) }
        #[no_mangle]
        extern "C" fn sp_validate_settings(at: *const u8, len: usize) -> i32 { $crate::export::validate::<$plugin>(at, len) }
        #[no_mangle]
        extern "C" fn sp_configure(at: *const u8, len: usize) -> i32 { $crate::export::configure(&PLUGIN, at, len) }
    };
    (@export SelfTest $plugin:ty) => {
        #[no_mangle]
        extern "C" fn sp_selftest() -> i32 { $crate::export::test(&PLUGIN) }
    };
}

"""WebAssembly text around QuickJS: what it imports, and the two ways between JavaScript and the host.

Three modules make one instance. `STUB` serves every import of QuickJS and has a table, as QuickJS must exist before
anything that calls it; the glue (`GLUE`, or `BUILD` while the snapshot is made) fills that table. No import reaches the
system: there are no files, no clock but the cell the host writes, no randomness but what the host hands in.

The mailbox is a piece of guest memory at a fixed place:

    0 op  4 its length  8 arg  12 its length  16 data  20 its length  24 pages of memory
    28 kind  32 length  36 length of the name that follows (code only)  40 time in nanoseconds (64 bit)
    48 56 60 scratch  64 argument list
"""

from __future__ import annotations

MAILBOX_SIZE = 96
REPLY_SIZE = 65_536  # replies up to here need no memory of their own
INPUT_SIZE = 65_536

# What a data argument is, as the host sees it.
NO_DATA, TEXT_DATA, BYTES_DATA = range(3)
# What a reply is. One that does not fit into the reply buffer has FETCH added: the glue allocates and fetches it.
UNDEFINED, TEXT, BYTES, CODE = range(4)
FETCH = 8

# How a step ended.
STEP_DONE, STEP_NO_INPUT, STEP_THREW, STEP_NO_OUTPUT = range(4)

# Names of properties which the glue reads; they lie in guest memory.
PROPERTIES = ("buffer", "byteOffset", "byteLength")

NOT_SUPPORTED = 8  # errno EBADF

STUB = f"""(module
  (type $host_call (func (param i32 i32 i32 i32 i32) (result i32)))
  (type $clock (func (param i32)))
  (type $random (func (param i32 i32)))
  (type $rejection (func (param i32 i32 i32)))
  (table (export "slots") 4 4 funcref)
  (func (export "host_call") (param i32 i32 i32 i32 i32) (result i32)
    (call_indirect (type $host_call)
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (i32.const 0)))
  (func (export "host_get_timezone_offset") (param i32 i32) (result i32) (i32.const 0))
  (func (export "host_interrupt") (result i32) (i32.const 0))
  (func (export "host_promise_rejection") (param i32 i32 i32)
    (call_indirect (type $rejection) (local.get 0) (local.get 1) (local.get 2) (i32.const 3)))
  (func (export "host_module_normalize") (param i32 i32) (result i32) (i32.const 0))
  (func (export "host_module_load") (param i32 i32) (result i32) (i32.const 0))
  (func (export "clock_time_get") (param i32 i64 i32) (result i32)
    (call_indirect (type $clock) (local.get 2) (i32.const 1)) (i32.const 0))
  (func (export "random_get") (param i32 i32) (result i32)
    (call_indirect (type $random) (local.get 0) (local.get 1) (i32.const 2)) (i32.const 0))
  (func (export "fd_close") (param i32) (result i32) (i32.const {NOT_SUPPORTED}))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const {NOT_SUPPORTED}))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const {NOT_SUPPORTED}))
  (func (export "fd_write") (param i32 i32 i32 i32) (result i32) (i32.const {NOT_SUPPORTED})))
"""

# While the snapshot is made: time stands still and slot 0 is empty, so a call of the host traps.
BUILD = """(module
  (import "quickjs" "memory" (memory 1))
  (import "stub" "slots" (table 4 4 funcref))
  (elem (i32.const 1) $clock $random $rejection)
  (func $rejection (param i32 i32 i32))
  (func $clock (param $at i32) (i64.store (local.get $at) (i64.const 1_700_000_000_000_000_000)))
  (func $random (param $at i32) (param $size i32) (memory.fill (local.get $at) (i32.const 0) (local.get $size))))
"""

GLUE = """(module
  (import "quickjs" "memory" (memory 1))
  (import "quickjs" "wasm_malloc" (func $malloc (param i32) (result i32)))
  (import "quickjs" "wasm_free" (func $free (param i32)))
  (import "quickjs" "qjs_new_string" (func $new_string (param i32 i32) (result i32)))
  (import "quickjs" "qjs_new_uint8_array" (func $new_bytes (param i32 i32) (result i32)))
  (import "quickjs" "qjs_eval" (func $eval (param i32 i32 i32 i32) (result i32)))
  (import "quickjs" "qjs_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "quickjs" "qjs_get_undefined" (func $undefined (result i32)))
  (import "quickjs" "qjs_free_value" (func $free_value (param i32)))
  (import "quickjs" "qjs_is_job_pending" (func $job_pending (result i32)))
  (import "quickjs" "qjs_execute_pending_job" (func $run_job (result i32)))
  (import "quickjs" "qjs_get_string_len" (func $to_text (param i32 i32) (result i32)))
  (import "quickjs" "qjs_free_cstring" (func $free_text (param i32)))
  (import "quickjs" "qjs_is_exception" (func $is_exception (param i32) (result i32)))
  (import "quickjs" "qjs_get_exception" (func $exception (result i32)))
  (import "quickjs" "qjs_is_string" (func $is_string (param i32) (result i32)))
  (import "quickjs" "qjs_is_undefined" (func $is_undefined (param i32) (result i32)))
  (import "quickjs" "qjs_is_array_buffer" (func $is_array_buffer (param i32) (result i32)))
  (import "quickjs" "qjs_is_data_view" (func $is_data_view (param i32) (result i32)))
  (import "quickjs" "qjs_get_typed_array_buffer" (func $typed_array (param i32 i32 i32 i32) (result i32)))
  (import "quickjs" "qjs_get_array_buffer" (func $array_buffer (param i32 i32) (result i32)))
  (import "quickjs" "qjs_get_prop_string" (func $property (param i32 i32) (result i32)))
  (import "quickjs" "qjs_get_float64" (func $to_number (param i32) (result f64)))
  (import "stub" "slots" (table 4 4 funcref))
  (import "host" "ask" (func $ask))
  (import "host" "fetch" (func $fetch))
  (elem (i32.const 0) $host_call $clock $random $rejection)
  (global $box i32 (i32.const {mailbox}))
  (global $reply i32 (i32.const {reply}))
  (global $output (mut i32) (i32.const 0))
  (global $rejected (mut i32) (i32.const 0))
  (global $rejections (mut i32) (i32.const 0))

  (func $clock (param $at i32) (i64.store (local.get $at) (i64.load offset=40 (global.get $box))))
  (func $random (param $at i32) (param $size i32) (memory.fill (local.get $at) (i32.const 0) (local.get $size)))

  ;; Counts promises whose rejection nobody handles (yet), and keeps the last reason.
  (func $rejection (param $promise i32) (param $reason i32) (param $handled i32)
    (call $free_value (local.get $promise))
    (if (local.get $handled) (then
      (call $free_value (local.get $reason))
      (if (global.get $rejections) (then (global.set $rejections (i32.sub (global.get $rejections) (i32.const 1)))))
      (return)))
    (global.set $rejections (i32.add (global.get $rejections) (i32.const 1)))
    (if (global.get $rejected) (then (call $free_value (global.get $rejected))))
    (global.set $rejected (local.get $reason)))

  ;; A value to give to JavaScript; 0 when it is an exception, which stays pending.
  (func $checked (param $value i32) (result i32)
    (if (i32.eqz (local.get $value)) (then (return (i32.const 0))))
    (if (call $is_exception (local.get $value)) (then (call $free_value (local.get $value)) (return (i32.const 0))))
    (local.get $value))

  ;; The bytes of an object: where they are, and in scratch 48 how many. -1 when that threw or is nonsense.
  (func $view (param $object i32) (result i32)
    (local $buffer i32) (local $at i32) (local $size i32) (local $offset i32)
    (if (call $is_array_buffer (local.get $object)) (then
      (local.set $at (call $array_buffer (local.get $object) (i32.add (global.get $box) (i32.const 48))))
      (if (i32.eqz (local.get $at)) (then
        (call $free_value (call $exception)) (i32.store offset=48 (global.get $box) (i32.const 0))))
      (return (local.get $at))))
    (if (call $is_data_view (local.get $object))
      (then
        (local.set $buffer (call $property (local.get $object) (i32.const {buffer})))
        (local.set $buffer (call $checked (local.get $buffer)))
        (if (i32.eqz (local.get $buffer)) (then (return (i32.const -1))))
        (local.set $offset (call $count (local.get $object) (i32.const {byteOffset})))
        (local.set $size (call $count (local.get $object) (i32.const {byteLength}))))
      (else
        (i32.store offset=48 (global.get $box) (i32.const 0))
        (i32.store offset=56 (global.get $box) (i32.const 0))
        (local.set $buffer (call $typed_array (local.get $object) (i32.add (global.get $box) (i32.const 48))
          (i32.add (global.get $box) (i32.const 56)) (i32.add (global.get $box) (i32.const 60))))
        (local.set $buffer (call $checked (local.get $buffer)))
        (if (i32.eqz (local.get $buffer)) (then (return (i32.const -1))))
        (local.set $offset (i32.load offset=48 (global.get $box)))
        (local.set $size (i32.load offset=56 (global.get $box)))))
    (i32.store offset=60 (global.get $box) (i32.const 0))
    (local.set $at (call $array_buffer (local.get $buffer) (i32.add (global.get $box) (i32.const 60))))
    (call $free_value (local.get $buffer))
    ;; A hostile object can say anything of itself, but no more than the buffer holds.
    (if (i64.gt_u (i64.add (i64.extend_i32_u (local.get $offset)) (i64.extend_i32_u (local.get $size)))
                  (i64.extend_i32_u (i32.load offset=60 (global.get $box)))) (then (local.set $size (i32.const 0))))
    (if (i32.eqz (local.get $at)) (then (call $free_value (call $exception)) (local.set $size (i32.const 0))))
    (i32.store offset=48 (global.get $box) (local.get $size))
    (i32.add (local.get $at) (local.get $offset)))

  (func $count (param $object i32) (param $name i32) (result i32)
    (local $value i32) (local $number f64)
    (local.set $value (call $property (local.get $object) (local.get $name)))
    (if (call $is_exception (local.get $value)) (then
      (call $free_value (local.get $value)) (call $free_value (call $exception)) (return (i32.const -1))))
    (local.set $number (call $to_number (local.get $value)))
    (call $free_value (local.get $value))
    (i32.trunc_sat_f64_u (local.get $number)))

  ;; __host(op, arg[, data])
  (func $host_call (param $name i32) (param $name_size i32) (param $this i32) (param $argc i32) (param $argv i32)
      (result i32)
    (local $op i32) (local $op_size i32) (local $arg i32) (local $arg_size i32)
    (local $data i32) (local $data_size i32) (local $kind i32) (local $value i32)
    (if (i32.lt_u (local.get $argc) (i32.const 2)) (then (return (call $undefined))))
    ;; A conversion can run JavaScript that calls the host again: nothing stays in the scratch words.
    (local.set $op (call $to_text (i32.load (local.get $argv)) (i32.add (global.get $box) (i32.const 48))))
    (if (i32.eqz (local.get $op)) (then (return (i32.const 0))))
    (local.set $op_size (i32.load offset=48 (global.get $box)))
    (local.set $arg (call $to_text (i32.load offset=4 (local.get $argv)) (i32.add (global.get $box) (i32.const 48))))
    (if (i32.eqz (local.get $arg)) (then (call $free_text (local.get $op)) (return (i32.const 0))))
    (local.set $arg_size (i32.load offset=48 (global.get $box)))
    (if (i32.gt_u (local.get $argc) (i32.const 2)) (then
      (local.set $value (i32.load offset=8 (local.get $argv)))
      (if (i32.eqz (call $is_undefined (local.get $value))) (then
        (if (call $is_string (local.get $value))
          (then
            (local.set $kind (i32.const 1))
            (local.set $data (call $to_text (local.get $value) (i32.add (global.get $box) (i32.const 48))))
            (if (i32.eqz (local.get $data)) (then (local.set $data (i32.const -1)))))
          (else
            (local.set $kind (i32.const 2))
            (local.set $data (call $view (local.get $value)))))
        (if (i32.eq (local.get $data) (i32.const -1)) (then
          (call $free_text (local.get $op)) (call $free_text (local.get $arg)) (return (i32.const 0))))
        (local.set $data_size (i32.load offset=48 (global.get $box)))))))
    (i32.store (global.get $box) (local.get $op)) (i32.store offset=4 (global.get $box) (local.get $op_size))
    (i32.store offset=8 (global.get $box) (local.get $arg))
    (i32.store offset=12 (global.get $box) (local.get $arg_size))
    (i32.store offset=16 (global.get $box) (local.get $data))
    (i32.store offset=20 (global.get $box) (local.get $data_size))
    (i32.store offset=24 (global.get $box) (memory.size))
    (i32.store offset=28 (global.get $box) (local.get $kind))
    (call $ask)
    (call $free_text (local.get $op)) (call $free_text (local.get $arg))
    (if (i32.eq (local.get $kind) (i32.const 1)) (then (call $free_text (local.get $data))))
    (call $replied (i32.load offset=28 (global.get $box))))

  (func $replied (param $kind i32) (result i32)
    (local $at i32) (local $own i32) (local $value i32)
    (if (i32.eqz (local.get $kind)) (then (return (call $undefined))))
    (local.set $at (global.get $reply))
    (if (i32.and (local.get $kind) (i32.const 8)) (then
      (local.set $at (call $malloc (i32.add (i32.const 2)
        (i32.add (i32.load offset=32 (global.get $box)) (i32.load offset=36 (global.get $box))))))
      (local.set $own (local.get $at))
      (i32.store (global.get $box) (local.get $at)) (i32.store offset=24 (global.get $box) (memory.size))
      (call $fetch)
      (if (i32.eqz (local.get $at)) (then (local.set $at (global.get $reply))))
      (local.set $kind (i32.load offset=28 (global.get $box)))))
    (local.set $value (call $made (local.get $kind) (local.get $at)))
    (if (local.get $own) (then (call $free (local.get $own))))
    (call $checked (local.get $value)))

  (func $made (param $kind i32) (param $at i32) (result i32)
    (local $size i32)
    (local.set $size (i32.load offset=32 (global.get $box)))
    (if (i32.eq (local.get $kind) (i32.const 1)) (then (return (call $new_string (local.get $at) (local.get $size)))))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then (return (call $new_bytes (local.get $at) (local.get $size)))))
    (call $eval (local.get $at) (local.get $size)
      (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 1)) (i32.const 0)))

  (func (export "allocate") (param $size i32) (result i32) (local $at i32)
    (local.set $at (call $malloc (local.get $size)))
    (i32.store offset=24 (global.get $box) (memory.size))
    (local.get $at))

  (func $drop (param $value i32) (result i32)
    (if (i32.eqz (local.get $value)) (then (return (i32.const 1))))
    (if (call $is_exception (local.get $value)) (then
      (call $free_value (local.get $value)) (call $free_value (call $exception)) (return (i32.const 1))))
    (call $free_value (local.get $value))
    (i32.const 0))

  ;; __in(text), then every job, then __take(): the output lies at mailbox 0, 4. When a rejection of a promise was
  ;; handled by nobody, __take gets the reason of the last one.
  (func (export "step") (param $at i32) (param $size i32) (param $own i32) (result i32)
    (local $text i32) (local $threw i32) (local $value i32)
    (if (global.get $output) (then (call $free_text (global.get $output)) (global.set $output (i32.const 0))))
    (local.set $text (call $checked (call $new_string (local.get $at) (local.get $size))))
    (if (local.get $own) (then (call $free (local.get $at))))
    (if (i32.eqz (local.get $text)) (then (return (i32.const {STEP_NO_INPUT}))))
    (i32.store offset=64 (global.get $box) (local.get $text))
    (local.set $threw (call $drop (call $call (i32.const {take_in}) (i32.const {undefined}) (i32.const 1)
      (i32.add (global.get $box) (i32.const 64)))))
    (call $free_value (local.get $text))
    (block $done (loop $next
      (br_if $done (i32.eqz (call $job_pending)))
      (if (i32.lt_s (call $run_job) (i32.const 0)) (then (call $free_value (call $exception))))
      (br $next)))
    (if (local.get $threw) (then (return (i32.const {STEP_THREW}))))
    (i32.store offset=64 (global.get $box) (global.get $rejected))
    (local.set $value (call $checked (call $call (i32.const {give_out}) (i32.const {undefined})
      (i32.ne (global.get $rejections) (i32.const 0)) (i32.add (global.get $box) (i32.const 64)))))
    (global.set $rejections (i32.const 0))
    (if (global.get $rejected) (then
      (call $free_value (global.get $rejected)) (global.set $rejected (i32.const 0))))
    (if (i32.eqz (local.get $value)) (then (return (i32.const {STEP_NO_OUTPUT}))))
    (global.set $output (call $to_text (local.get $value) (i32.add (global.get $box) (i32.const 4))))
    (call $free_value (local.get $value))
    (if (i32.eqz (global.get $output)) (then (return (i32.const {STEP_NO_OUTPUT}))))
    (i32.store (global.get $box) (global.get $output))
    (i32.store offset=24 (global.get $box) (memory.size))
    (i32.const {STEP_DONE})))
"""

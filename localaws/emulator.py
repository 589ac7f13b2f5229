"""`python -m localaws.emulator`: ministack with its gaps closed, on loopback, with IAM enforced.

Reads ministack's own settings from the environment: `GATEWAY_PORT` (4566) and the others of its README, and
`LOCALAWS_DAX_PORT`, the port of the first DAX cluster (0: any free port). `LOCALAWS_ORIGINS` has the origins of the web
pages that may call it, separated by spaces.
"""

import os
from importlib import import_module

DEFAULTS = {
    "AUTH": "true",
    "BIND_HOST": "127.0.0.1",
    "IOT_MTLS_ENABLED": "0",  # MQTT needs a port of its own
    "SFTP_ENABLED": "0",
}

GAPS = (
    "account.eventual_consistency",
    "account.resource_limits",
    "account.service_quotas",
    "apigateway.cognito_authorizer",
    "apigateway.deployments",
    "apigateway.empty_members",
    "apigateway.gateway_responses",
    "apigateway.hosts",
    "apigateway.integrations",
    "apigateway.lambda_integration",
    "apigateway.lambda_permission",
    "apigateway.method_patches",
    "apigateway.models",
    "apigateway.proxy_event",
    "apigateway.proxy_response",
    "apigateway.rest_body",
    "apigateway.rest_denial",
    "apigateway.signature_scope",
    "apigateway.rest_import",
    "apigateway.rest_apis",
    "apigateway.rest_limits",
    "apigateway.access_logs",
    "apigateway.request_metrics",
    "apigateway.stage_cache",
    "apigateway.stages",
    "apigateway.canary",
    "apigateway.account_role",
    "athena.api",
    "athena.workgroup_authorization",
    "cloudformation.api_requests",
    "cloudformation.change_set_errors",
    "cloudformation.change_sets",
    "cloudformation.conditions",
    "cloudformation.deleted_stacks",
    "cloudformation.descriptions",
    "cloudformation.existing_names",
    "cloudformation.exports",
    "cloudformation.missing_targets",
    "cloudformation.no_value",
    "cloudformation.parameter_errors",
    "cloudformation.physical_ids",
    "cloudformation.property_errors",
    "cloudformation.stack_states",
    "cloudformation.stored_settings",
    "cloudformation.template_errors",
    "cloudformation.unread_properties",
    "cloudformation.updates",
    "cloudformation.value_types",
    "cloudformation.yaml_parser",
    "cloudfront.propagation",
    "cloudfront.invalidations",
    "cloudfront.origin_groups",
    "cloudfront.origin_ports",
    "cloudfront.s3_origins",
    "cloudfront.viewer_requests",
    "cognito.admin_created_users",
    "cognito.aliases",
    "cognito.code_delivery",
    "cognito.delete_identities",
    "cognito.guest_identities",
    "cognito.sign_in_ids",
    "cognito.username_case",
    "coverage.unread_parameters",
    "cloudwatch.alarm_descriptions",
    "cloudwatch.alarm_evaluation",
    "cloudwatch.alarm_history",
    "cloudwatch.alarm_notifications",
    "cloudwatch.alarm_states",
    "cloudwatch.composite_alarms",
    "cloudwatch.metric_retention",
    "cloudwatch.metric_statistics",
    "cloudwatch.service_metrics",
    "dax.clusters",
    "dynamodb.expired_items",
    "dynamodb.expressions",
    "dynamodb.global_table",
    "dynamodb.kept_stream_records",
    "dynamodb.point_in_time",
    "dynamodb.query_cost",
    "dynamodb.index_consistency",
    "dynamodb.scan_order",
    "dynamodb.provisioned_throughput",
    "dynamodb.requests",
    "dynamodb.stream_description",
    "dynamodb.table_description",
    "dynamodb.table_ttl",
    "ec2.availability_zones",
    "ec2.instance_types",
    "elasticloadbalancing.target_ports",
    "eventbridge.lambda_permission",
    "eventbridge.event_patterns",
    "eventbridge.event_text",
    "eventbridge.events_log",
    "eventbridge.input_transformers",
    "eventbridge.log_targets",
    "eventbridge.requests",
    "firehose.delivery_streams",
    "glue.table_authorization",
    "iam.access_key",
    "iam.anonymous_requests",
    "iam.authorized_actions",
    "iam.batch_actions",
    "iam.condition_keys",
    "iam.descriptions",
    "iam.parsed_policies",
    "iam.policy_simulation",
    "iam.policy_variables",
    "iam.requests",
    "iam.root_key",
    "iam.secure_transport",
    "iam.service_roles",
    "iam.web_identity",
    "iot.listener",
    "iot.mqtt_limits",
    "iot.rules",
    "kinesis.throughput",
    "kinesis.metrics",
    "kinesis.requests",
    "kinesis.retention",
    "kinesis.shard_iterators",
    "lambda_.code_links",
    "lambda_.cold_starts",
    "lambda_.concurrency",
    "lambda_.debugger",
    "lambda_.asynchronous_invocations",
    "lambda_.error_responses",
    "lambda_.event_invoke_configs",
    "lambda_.event_source_mappings",
    "lambda_.file_systems",
    "lambda_.forked_environments",
    "lambda_.function_limits",
    "lambda_.function_states",
    "lambda_.idle_environments",
    "lambda_.invocation_metrics",
    "lambda_.invocation_results",
    "lambda_.invocation_threads",
    "lambda_.log_lines",
    "lambda_.log_streams",
    "lambda_.logging_config",
    "lambda_.pages",
    "lambda_.permissions",
    "lambda_.qualifiers",
    "lambda_.request_constraints",
    "lambda_.revisions",
    "lambda_.running_invocations",
    "lambda_.session_names",
    "lambda_.shared_code",
    "logs.requests",
    "logs.retention",
    "s3.answers",
    "s3.bucket_cors",
    "s3.bucket_lifecycle",
    "s3.bucket_replication",
    "s3.checksums",
    "s3.default_encryption",
    "s3.expected_bucket_owner",
    "s3.lambda_permission",
    "s3.conditional_requests",
    "s3.expiration",
    "s3.lifecycle",
    "s3.lifecycle_requests",
    "s3.multipart_results",
    "s3.notifications",
    "s3.deleted_versions",
    "s3.post_forms",
    "s3.presigned_urls",
    "s3.public_access_block",
    "s3.ranges",
    "s3.requests",
    "s3.error_members",
    "secretsmanager.requests",
    "secretsmanager.secret_labels",
    "secretsmanager.answers",
    "secretsmanager.stack_secrets",
    "service_names",
    "ses.events",
    "ses.from_address",
    "ses.identity",
    "ses.kept_mails",
    "ses.mailbox",
    "ses.message_tags",
    "ses.sandbox",
    "ses.verification",
    "sns.delivery",
    "sns.descriptions",
    "sns.lambda_notifications",
    "sns.message_body",
    "sns.requests",
    "sns.unsubscribe_url",
    "sqs.batch_results",
    "sqs.message_move_task",
    "sqs.metrics",
    "sqs.receipt_handles",
    "sqs.requests",
    "ssm.parameter_names",
    "sqs.answers",
    "xray.api",
)
"""The gap modules, applied in this order. Each names its gap, AWS's rule, and when it is no longer needed."""


def main() -> None:
    """Run the emulator until SIGTERM or SIGINT."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)

    # The emulator reads its settings while it is imported.
    from ministack import app

    from localaws import connections, control, cross_origin, service_models
    from localaws.changes import calls as changes
    from localaws.clock import calls
    from localaws.iam import used_actions
    from localaws.lambda_ import deliveries
    from localaws.regions import calls as regions
    from localaws.regions import replication
    from localaws.xray import recording

    service_models.share()
    connections.install()
    control.install()
    calls.install()
    deliveries.install()
    for gap in GAPS:
        import_module(f"localaws.{gap}").apply()
    changes.install()
    used_actions.apply()
    recording.install()
    replication.install()
    regions.install()
    cross_origin.install()  # the last, because it is the first to see a request
    app.main()


if __name__ == "__main__":
    main()

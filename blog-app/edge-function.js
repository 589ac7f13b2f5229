/**
 * CloudFront Function (runtime 2.0) of the site's default behaviour, on viewer request. It rewrites `/x/` to
 * `/x/index.html`, and redirects `/x` to `/x/`.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 */
function handler(event) {
  var request = event.request;
  if (request.uri.endsWith("/")) {
    request.uri += "index.html";
    return request;
  }
  if (isFolder(request.uri)) {
    return {
      statusCode: 301,
      statusDescription: "Moved Permanently",
      headers: {
        location: { value: request.uri + "/" + query(request.querystring) },
        "cache-control": { value: "public, max-age=3600" },
      },
    };
  }
  return request;
}

/** Returns whether all segments are simple and the last has no file extension. `//host/x` would redirect to a host. */
function isFolder(uri) {
  return /^(\/[\w~%-][\w.~%-]*)*\/[\w~%-]+$/.test(uri);
}

function query(parameters) {
  var pairs = Object.keys(parameters).flatMap(function (name) {
    return (parameters[name].multiValue || [parameters[name]]).map(function (parameter) {
      return parameter.value === "" ? name : name + "=" + parameter.value;
    });
  });
  return pairs.length ? "?" + pairs.join("&") : "";
}

/**
 * CloudFront Function (runtime 2.0) of the site's pages and of the API, on viewer request.
 *
 * Of a page, it rewrites `/x/` to `/x/index.html`, and redirects `/x` to `/x/`. Of the API, it refuses what API Gateway
 * would answer with 403: the distribution replaces every 403 of an origin by the page for missing pages.
 * https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 */

/** The methods of the API's public routes. Others need a signature, which contains the API's own host. */
var PUBLIC = {
  "/health": ["GET"],
  "/posts": ["GET"],
  "/posts/*": ["GET"],
  "/photos": [],
  "/photos/*": ["GET"],
  "/subscribers": ["POST"],
  "/subscribers/*": ["DELETE"],
  "/unsubscribe/*": ["GET", "POST"],
};

function handler(event) {
  var request = event.request;
  if (request.uri.startsWith("/standby/api/")) {
    request.uri = request.uri.slice("/standby".length); // to the API of the second Region, which has the same paths
  }
  if (request.uri.startsWith("/api/")) {
    return refusal(request) || request;
  }
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

/** Returns the answer to a request for no public route, or undefined. HEAD is like GET, and all routes have OPTIONS. */
function refusal(request) {
  var path = request.uri.slice("/api".length);
  var methods = PUBLIC[path] || PUBLIC[path.replace(/^(\/[^/]+)\/[^/]+$/, "$1/*")];
  if (!methods) {
    return error(404, "Not Found", "NotFound", "the API has no such path");
  }
  if (methods.concat("OPTIONS").indexOf(request.method === "HEAD" ? "GET" : request.method) < 0) {
    return error(403, "Forbidden", "Forbidden", "only authors may do this, by signed requests to the API's own address");
  }
}

function error(statusCode, statusDescription, code, message) {
  return {
    statusCode: statusCode,
    statusDescription: statusDescription,
    headers: {
      "content-type": { value: "application/json" },
      "cache-control": { value: "no-store" },
      "access-control-allow-origin": { value: "*" },
    },
    body: { encoding: "text", data: JSON.stringify({ Code: code, Message: message }) },
  };
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

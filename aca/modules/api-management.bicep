// API Management before the gateway. It passes everything on as it comes, unbuffered; the gateway checks tokens itself.

@description('Region.')
param location string
@description('Prefix of the name; the name itself must be the only one of its kind in Azure.')
param name string
@description('Tier. The tier Consumption is left out: it ends streams.')
@allowed(['Developer', 'Basic', 'Standard', 'Premium'])
param sku string
@description('Mail address that Azure asks for.')
param publisherEmail string
@description('Host name of your own; empty for none.')
param customDomain string
@description('Its certificate, as the URL of a Key Vault secret.')
param certificateUrl string
@description('Identity that may read it: its resource id,')
param identityId string
@description('and its client id.')
param identityClientId string
@description('Host name of the gateway.')
param originHost string

// Nothing may read or keep the answer, or streams would come at their end. 240 seconds is as long as the ingress waits
// for a silent stream.
var passOn = '''<policies>
  <inbound><base /></inbound>
  <backend><forward-request timeout="240" buffer-response="false" /></backend>
  <outbound><base /></outbound>
  <on-error><base /></on-error>
</policies>'''

resource service 'Microsoft.ApiManagement/service@2024-05-01' = {
  name: '${name}-api-${take(uniqueString(resourceGroup().id), 6)}'
  location: location
  sku: {
    name: sku
    capacity: 1
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    publisherEmail: publisherEmail
    publisherName: name
    hostnameConfigurations: empty(customDomain) ? [] : [
      {
        type: 'Proxy'
        hostName: customDomain
        certificateSource: 'KeyVault'
        keyVaultId: certificateUrl
        identityClientId: identityClientId
      }
    ]
  }

  resource api 'apis' = {
    name: 'mcp'
    properties: {
      displayName: 'MCP'
      // The endpoint, the metadata for its tokens and the façade keep their paths. Probes stay inside.
      path: ''
      protocols: ['https']
      serviceUrl: 'https://${originHost}'
      // The gateway checks the token of each request.
      subscriptionRequired: false
    }

    resource policy 'policies' = {
      name: 'policy'
      properties: {
        format: 'rawxml'
        value: passOn
      }
    }

    resource operations 'operations' = [
      for call in [
        { name: 'endpoint', method: 'POST', path: '/mcp' }
        { name: 'endpoint', method: 'GET', path: '/mcp' }
        { name: 'endpoint', method: 'DELETE', path: '/mcp' }
        { name: 'all', method: 'OPTIONS', path: '/*' }
        { name: 'metadata', method: 'GET', path: '/.well-known/*' }
        { name: 'facade', method: 'GET', path: '/oauth/*' }
        { name: 'facade', method: 'POST', path: '/oauth/*' }
      ]: {
        name: '${toLower(call.method)}-${call.name}'
        properties: {
          displayName: '${call.method} ${call.path}'
          method: call.method
          urlTemplate: call.path
        }
      }
    ]
  }
}

@description('Host name that clients use.')
output host string = empty(customDomain) ? '${service.name}.azure-api.net' : customDomain
@description('Host name that Azure gives it.')
output azureHost string = '${service.name}.azure-api.net'
@description('Addresses from which it calls the gateway.')
output addresses string[] = service.properties.publicIPAddresses
